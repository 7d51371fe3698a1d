"""What a network makes of the world's own clips: samples for a decoder that is to draw what that network says.

A network's latents err in their own way: squares that do not quite meet, a lid that is half there. Noise on true latents
teaches a decoder nothing of that. So a clip of the world is noised a little and brought back by the last steps of the
sampler, and the decoder learns to draw the world's frames from what comes back.

Axes: b batch, c latent channels, t h w latent frames, height, width, m prompt rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.model.checkpoint import Checkpoint, load_checkpoint
from happyhorse.model.pack import Latents
from happyhorse.model.phonemes import phonemes_of
from happyhorse.model.sampler import denoise_steps, gaussian, sigmas_of, with_first_frame
from happyhorse.model.velocity import velocity_of
from happyhorse.model.video_vae import SEEN, UPSCALE
from happyhorse.shapes import SPACE_STRIDE, TIME_STRIDE
from happyhorse.training.clips import Batch, Codecs, Kind, Staged, collate, encoders, make_staged, stage
from happyhorse.training.squares import DRAWN, SHOWN, SIDE, Box

KIND = Kind("redrawn", 2, ((224, 128), (224, 128), (128, 224)), balls=0.2)
SQUARES = 6
"""Squares cut out of a clip, half of them around the face."""
CELL = UPSCALE * SPACE_STRIDE
CELLS = SIDE // CELL
"""Pixels of the decoder that a latent covers, and latents along a square's side."""
MOST_STEPS = 4
"""Steps at the sampler's end that a clip is brought back by, at most: with more it would be another clip."""
BEGUN_SHARE = 0.15
"""How often a square shows how the clip begins: what the first frame holds must not change in the second."""
GIVEN_SHARE = 0.6
"""How often the first frame is given, as when a clip goes on from a picture."""


@dataclass(frozen=True)
class Redrawn:
    """Frames of two latents as they are, (8, h, w, 3), the face's box, and the two and their neighbours as a network says them, (c, 4, h32, w32)."""

    frames: NDArray[np.uint8]
    face: Box
    latent: NDArray[np.float16]


@dataclass(frozen=True)
class Network:
    """A trained network, the codecs that it learned from, and the rows of an empty prompt."""

    checkpoint: Checkpoint
    codecs: Codecs
    no_words: Float[Tensor, "m ct"]


@lru_cache(maxsize=1)
def load_network(folder: Path) -> Network:
    """Load a folder of nano's weights once for each process. Raises: WeightsMissing naming the file and what is wrong with it."""
    codecs = Codecs(*(folder / f"{name}.safetensors" for name in ("video_vae", "audio_vae", "text")))
    no_words = encoders(codecs)[2].encode([""])[0].detach()
    return Network(load_checkpoint(folder / "transformer.safetensors"), codecs, no_words)


def make_redrawn(seeds: range, *, folder: Path) -> Iterator[Redrawn]:
    """Yield squares of these samples, with the latents that the network in `folder` brings back."""
    network = load_network(folder)
    for seed in seeds:
        rng = np.random.default_rng((seed, 51))
        acted = stage(seed, KIND)
        batch = collate(make_staged([acted], network.codecs), rng)
        latent = bring_back(
            network,
            batch,
            steps=int(rng.integers(1, MOST_STEPS + 1)),
            given=bool(rng.random() < GIVEN_SHARE),
            generator=torch.Generator().manual_seed(seed),
        )
        yield from _cut(acted, latent[0].half().numpy(), rng)


@torch.inference_mode()
def bring_back(
    network: Network, batch: Batch, *, steps: int, given: bool, generator: torch.Generator
) -> Float[Tensor, "b c t h w"]:
    """Noise clean latents to the level from which the sampler has so many steps left, and take them.

    The sound is the true one; `given` says whether the first frame is.
    """
    model, settings = network.checkpoint.model, network.checkpoint.sampler
    noise = gaussian(generator, shared=settings.shared_noise)
    first = batch.clean.video[:, :, :1] if given else None

    silence = phonemes_of([], num_audio=batch.clean.audio.shape[1])
    told, nothing = (
        velocity_of(model, text=text, phonemes=phonemes, first_frame=first)
        for text, phonemes in ((batch.text, batch.phonemes), (network.no_words[None], silence))
    )
    first_step = settings.num_steps - steps
    sigma = sigmas_of(settings.num_steps, shift=settings.shift)[first_step]
    video = torch.lerp(batch.clean.video, noise(batch.clean.video), sigma)
    *_, last = denoise_steps(
        told,
        Latents(video, batch.clean.audio),
        settings=settings,
        unconditional=nothing if settings.guidance else None,
        first_frame=first,
        update_audio=False,
        noise=noise,
        first_step=first_step,
    )
    return with_first_frame(last.after.video, first)


def _cut(acted: Staged, latent: NDArray[np.float16], rng: np.random.Generator) -> Iterator[Redrawn]:
    painter = acted.painter(UPSCALE)
    _, num_latents, height, width = latent.shape
    for number in range(SQUARES):
        t = 0 if rng.random() < BEGUN_SHARE else int(rng.integers(num_latents - DRAWN + 1))
        shown = [max(0, TIME_STRIDE * (t - 1) + 1 + k) for k in range(DRAWN * TIME_STRIDE)]
        seen = [min(max(t + k - SEEN // 2, 0), num_latents - 1) for k in range(SHOWN)]
        left, top, right, bottom = painter.subject_box(shown[TIME_STRIDE])
        column, row = rng.integers((width - CELLS + 1, height - CELLS + 1)).tolist()
        if number % 2:
            column, row = (_around(*span, rng) for span in ((left, right, width), (top, bottom, height)))
        x, y = column * CELL, row * CELL
        frames = [painter.draw(i)[y : y + SIDE, x : x + SIDE] for i in shown]
        cells = latent[:, seen, row : row + CELLS, column : column + CELLS]
        yield Redrawn(np.stack(frames), (left - x, top - y, right - x, bottom - y), cells)


def _around(start: int, end: int, num_cells: int, rng: np.random.Generator) -> int:
    """Return the first of CELLS cells with the pixels from start to end about in their middle."""
    first = round((start + end - SIDE) / 2 / CELL + rng.uniform(-1, 1))
    return min(max(first, 0), num_cells - CELLS)
