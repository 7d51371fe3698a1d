"""Teach the recogniser on the world's voices in their places, saying words that do not exist.

Level, equalisation and background noise are drawn anew each time a sound is heard, so that the colour of a vocoder is no
error by itself.

Axes: b batch, k hops of 10 ms, m mel bands.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from happyhorse.eval.invented import invented_line
from happyhorse.eval.phonemes import BLANK, PHONEMES, Recogniser, folded
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import render, speak_line

PEAK_RATE = 2e-3
WARMUP_STEPS = 100
BATCH = 16
NEW_A_STEP = 3
CAPACITY = 3000
SOUND_S = 4.0
_LEVEL_NEPERS = 0.7
_COLOUR_NEPERS = 0.35
_COLOUR_WAVES = 5
_NOISE_NEPERS = (-6.5, -3.5)  # under the loudest band


@dataclass(frozen=True)
class Utterance:
    """A sound as log-mel, in half precision, and the phonemes in it as classes of the recogniser."""

    mel: Float[Tensor, "k m"]
    classes: tuple[int, ...]


def make_utterance(seed: int, recogniser: Recogniser) -> Utterance:
    """Let the person of scene number `seed` say a line of invented words where they are."""
    rng = np.random.default_rng((seed, 53))
    while True:
        line = invented_line(rng, num_words=int(rng.integers(3, 9)))
        scene = replace(sample_scene(seed), line=line)
        speech = speak_line(scene)
        assert speech is not None
        if scene.line_start_s + speech.duration_s < SOUND_S:
            break
    sound = render(scene, speech, num_samples=round(SOUND_S * SAMPLE_RATE))
    classes = tuple(1 + PHONEMES.index(name) for name in folded(p.symbol for p in speech.phonemes))
    return Utterance(recogniser.mel(torch.from_numpy(sound)[None])[0].half(), classes)


def coloured(mel: Float[Tensor, "b k m"]) -> Float[Tensor, "b k m"]:
    """Return the sounds at another level, through another filter, over another noise."""
    count, hops, bands = mel.shape
    waves = torch.cos(torch.pi * torch.arange(_COLOUR_WAVES)[:, None] * torch.linspace(0, 1, bands))
    colour, noise_colour = (torch.randn(2, count, _COLOUR_WAVES) @ waves)[:, :, None]
    level = _LEVEL_NEPERS * (2 * torch.rand(count, 1, 1) - 1)
    low, high = _NOISE_NEPERS
    below = low + (high - low) * torch.rand(count, 1, 1)
    flicker = -torch.log(torch.rand(count, hops, bands).clamp(min=1e-6))  # the power of a noise's band
    noise = mel.amax((1, 2), keepdim=True) + below + _COLOUR_NEPERS * noise_colour
    heard = 0.5 * torch.logaddexp(2 * mel, 2 * noise + flicker.log())
    return heard + level + _COLOUR_NEPERS * colour


def loss_on(recogniser: Recogniser, mel: Float[Tensor, "b k m"], classes: list[tuple[int, ...]]) -> Tensor:
    """Return the CTC loss for one phoneme."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs = recogniser(mel)
    lengths = torch.tensor([len(one) for one in classes])
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor([i for one in classes for i in one]),
        torch.full((len(mel),), log_probs.shape[1]),
        lengths,
        blank=BLANK,
        reduction="sum",
    ) / int(lengths.sum())


def train_recogniser(
    *, minutes: float, seed: int = 0, on_report: Callable[[str], None] = lambda _: None
) -> Recogniser:
    """Train for a number of minutes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    recogniser = Recogniser()
    optimizer = torch.optim.AdamW(recogniser.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    pool: list[Utterance] = []
    started, step = time.monotonic(), 0
    while (progress := (time.monotonic() - started) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min((step + 1) / WARMUP_STEPS, 1.0, 1.5 * (1 - progress))
        for number in rng.integers(10**9, 2 * 10**9, size=NEW_A_STEP if pool else BATCH):
            with torch.no_grad():
                pool.append(make_utterance(int(number), recogniser))
        del pool[:-CAPACITY]
        batch = [pool[i] for i in rng.integers(len(pool), size=BATCH)]
        mel = coloured(torch.stack([one.mel for one in batch]).float())
        loss = loss_on(recogniser, mel, [one.classes for one in batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(recogniser.parameters(), 5.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            on_report(f"recogniser: step {step}, loss {loss.item():.2f}, {100 * progress:.0f} %")
    return recogniser.eval()
