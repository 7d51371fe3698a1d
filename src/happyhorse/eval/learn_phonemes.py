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
from jaxtyping import Float, Int
from torch import Tensor

from happyhorse.eval.invented import invented_line
from happyhorse.eval.phonemes import BLANK, FRAMES_A_SECOND, PHONEMES, Recogniser, folded
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import render, speak_line
from happyhorse.world.tongues import TONGUES, speaking

PEAK_RATE = 2e-3
WARMUP_STEPS = 100
MARKS_WEIGHT = 0.5
BATCH = 8
FIRST_POOL, CAPACITY = 64, 3000
SOUND_S = 5.4
ENGLISH_SHARE = 0.4
_LEVEL_NEPERS = 0.7
_COLOUR_NEPERS = 0.35
_COLOUR_WAVES = 5
_NOISE_NEPERS = (-6.5, -3.5)  # under the loudest band


@dataclass(frozen=True)
class Utterance:
    """A sound as log-mel, in half precision, with its phonemes as classes of the recogniser: in order, and frame by frame."""

    mel: Float[Tensor, "k m"]
    classes: tuple[int, ...]
    marks: Int[Tensor, " t"]
    """The phoneme where the middle of one sounds, else blank."""


def make_utterance(seed: int, recogniser: Recogniser) -> Utterance:
    """Let the person of scene number `seed` say a line of invented words where they are, in one of the world's languages."""
    rng = np.random.default_rng((seed, 53))
    language = "en" if rng.random() < ENGLISH_SHARE else tuple(TONGUES)[int(rng.integers(len(TONGUES)))]
    scene = sample_scene(seed) if language == "en" else speaking(sample_scene(seed), language, seconds=5)
    while True:
        line = invented_line(rng, num_words=int(rng.integers(4, 12)), language=language)
        scene = replace(scene, line=line)
        speech = speak_line(scene)
        assert speech is not None
        if scene.line_start_s + speech.duration_s < SOUND_S:
            break
    sound = torch.from_numpy(render(scene, speech, num_samples=round(SOUND_S * SAMPLE_RATE)))
    spoken = [
        (1 + PHONEMES.index(name), scene.line_start_s + phoneme.start_s + i * share_s, share_s)
        for phoneme in speech.phonemes
        for names in [folded(phoneme.symbols, language)]
        for i, name in enumerate(names)
        for share_s in [phoneme.duration_s / len(names)]
    ]
    marks = torch.full((round(SOUND_S * FRAMES_A_SECOND),), BLANK)
    for number, start_s, duration_s in spoken:
        first = int((start_s + duration_s / 4) * FRAMES_A_SECOND)
        marks[first : max(first + 1, int((start_s + 3 * duration_s / 4) * FRAMES_A_SECOND))] = number
    mel = recogniser.mel(sound[None])[0].half()
    return Utterance(mel, tuple(number for number, _, _ in spoken), marks)


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


def loss_on(recogniser: Recogniser, batch: list[Utterance]) -> Tensor:
    """Return the loss for one phoneme: that of the sequence, and that of the marks, without which CTC is slow to begin."""
    mel = coloured(torch.stack([one.mel for one in batch]).float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs = recogniser(mel)
    lengths = torch.tensor([len(one.classes) for one in batch])
    classes = torch.tensor([number for one in batch for number in one.classes])
    frames = torch.full((len(batch),), log_probs.shape[1])
    sequence = F.ctc_loss(log_probs.transpose(0, 1), classes, frames, lengths, blank=BLANK, reduction="sum")
    marks = F.nll_loss(log_probs.flatten(0, 1), torch.cat([one.marks for one in batch]), reduction="sum")
    return (sequence + MARKS_WEIGHT * marks) / len(classes)


def train_recogniser(
    *, minutes: float, seed: int = 0, on_report: Callable[[str], None] = lambda _: None
) -> Recogniser:
    """Train for a number of minutes of this process's own time, so that a busy machine makes no worse an instrument."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    recogniser = Recogniser()
    optimizer = torch.optim.AdamW(recogniser.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    pool: list[Utterance] = []
    started, step = time.process_time(), 0
    while (progress := (time.process_time() - started) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min(
            (step + 1) / WARMUP_STEPS, 1.0, 1.5 * (1 - progress)
        )
        for number in rng.integers(10**9, 2 * 10**9, size=1 if pool else FIRST_POOL):
            pool.append(make_utterance(int(number), recogniser))
        del pool[:-CAPACITY]
        loss = loss_on(recogniser, [pool[i] for i in rng.integers(len(pool), size=BATCH)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(recogniser.parameters(), 5.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            on_report(f"recogniser: step {step}, loss {loss.item():.2f}, {100 * progress:.0f} %")
    return recogniser.eval()
