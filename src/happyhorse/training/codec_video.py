"""Train nano's video codec: fit the projection on the world's blocks, then train the decoder to draw from latents.

Axes: b batch, c colours, f frames, h w height and width in pixels.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW

from happyhorse.model.video_vae import BLOCK_VALUES, UPSCALE, VideoVae, VideoVaeConfig, to_blocks
from happyhorse.shapes import TIME_STRIDE
from happyhorse.training.draw import DrawnPool
from happyhorse.training.state import load_state, save_state
from happyhorse.world.draw import ScenePainter
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import speak_line

SIZES = ((224, 128), (224, 128), (224, 128), (128, 224), (160, 160), (224, 160), (224, 96))
LEAVES_SHARE = 0.12
NUM_FRAMES = 5
FACE_WEIGHT = 3.0
EDGE_WEIGHT = 1.0
FIT_SAMPLES = 1200
FIT_SEED = 50_000_000
LEARNING_RATE = 6e-4
WARMUP_STEPS = 100
BATCH = 3
SAVE_EVERY_S = 60.0
REPORT_EVERY = 25
MAX_LATENT_NOISE = 0.6


@dataclass(frozen=True)
class Pictures:
    """A few frames drawn at the decoder's size, (f, h, w, 3), and the face's box in them (empty for leaves)."""

    frames: NDArray[np.uint8]
    face: tuple[int, int, int, int]


@dataclass(frozen=True)
class Report:
    """What the trainer says now and then, as means since the last report. `gain_db`: over the bare projection."""

    step: int
    minutes: float
    loss: float
    psnr_db: float
    gain_db: float


def make_pictures(seed: int) -> Pictures:
    """Draw sample number `seed`: a piece of a spoken scene, or dead leaves."""
    rng = np.random.default_rng((seed, 31))
    width, height = (UPSCALE * side for side in SIZES[int(rng.integers(len(SIZES)))])
    if rng.random() < LEAVES_SHARE:
        frames = np.stack(list(draw_leaves(seed, num_frames=NUM_FRAMES, width=width, height=height)))
        return Pictures(frames, (0, 0, 0, 0))
    scene = sample_scene(seed, seconds=2.0)
    motion = move(scene, speak_line(scene, aloud=False), num_frames=50)
    painter = ScenePainter(scene, motion, width=width, height=height)
    start = int(rng.integers(50 - NUM_FRAMES))
    frames = np.stack([painter.draw(start + i) for i in range(NUM_FRAMES)])
    return Pictures(frames, painter.face_box(start + NUM_FRAMES // 2))


def _make(seeds: range) -> Iterator[Pictures]:
    return map(make_pictures, seeds)


def as_pixels(frames: NDArray[np.uint8]) -> Float[Tensor, "b 3 f h w"]:
    """Turn (b, f, h, w, 3) bytes into values in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def shrink(pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b 3 f h2 w2"]:
    """Average down to the encoder's size."""
    return F.avg_pool3d(pixels, (1, UPSCALE, UPSCALE))


def fit_projection(vae: VideoVae) -> None:
    """Set the encoder's components from the covariance of freshly drawn blocks."""
    total, count = torch.zeros(BLOCK_VALUES), 0
    moment = torch.zeros(BLOCK_VALUES, BLOCK_VALUES)
    for i in range(FIT_SAMPLES):
        blocks = to_blocks(shrink(as_pixels(make_pictures(FIT_SEED + i).frames[None]))).flatten(0, -2)
        total += blocks.sum(0)
        moment += blocks.T @ blocks
        count += len(blocks)
    mean = total / count
    variance, components = torch.linalg.eigh((moment / count - torch.outer(mean, mean)).double())
    channels = vae.config.latent_channels
    order = torch.arange(BLOCK_VALUES - 1, BLOCK_VALUES - 1 - channels, -1)
    vae.fit(mean, components[:, order].float(), variance[order].sqrt().float())


def _face_weights(
    boxes: list[tuple[int, int, int, int]], height: int, width: int
) -> Float[Tensor, "b 1 1 h w"]:
    weights = torch.ones(len(boxes), 1, 1, height, width)
    for weight, (left, top, right, bottom) in zip(weights, boxes, strict=True):
        weight[..., top:bottom, left:right] = FACE_WEIGHT
    return weights / weights.mean(dim=(-1, -2), keepdim=True)


def _edges(pixels: Float[Tensor, "b 3 f h w"]) -> tuple[Tensor, Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def drawing_loss(
    drawn: Float[Tensor, "b 3 f h w"], true: Float[Tensor, "b 3 f h w"], weights: Tensor
) -> Tensor:
    """Mean absolute error of values and of edges, heavier on the face."""
    loss = ((drawn - true).abs() * weights).mean()
    for mine, theirs in zip(_edges(drawn), _edges(true), strict=True):
        loss = loss + EDGE_WEIGHT * (mine - theirs).abs().mean()
    return loss


def train_step(
    vae: VideoVae, optimizer: AdamW, batch: list[Pictures], generator: torch.Generator
) -> tuple[float, float, float]:
    """One update of the decoder; return the loss and the mean squared errors of decoder and bare projection.

    The latents carry noise of random strength, as those of a transformer do, so the decoder learns to smooth them.
    """
    true = as_pixels(np.stack([sample.frames for sample in batch]))
    with torch.no_grad():
        latent = vae.encode(shrink(true))
        level = MAX_LATENT_NOISE * torch.rand(len(batch), 1, 1, 1, 1, generator=generator)
        latent = latent + level * torch.randn(latent.shape, generator=generator)
        bare = F.mse_loss(vae.project(latent)[:, :, TIME_STRIDE - 1 :].clamp(-1, 1), shrink(true))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drawn = vae.decode(latent)
    loss = drawing_loss(drawn, true, _face_weights([s.face for s in batch], *true.shape[-2:]))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
    optimizer.step()
    error = F.mse_loss(shrink(drawn.detach().clamp(-1, 1)), shrink(true))
    return loss.item(), error.item(), bare.item()


def run(
    *,
    out: Path,
    minutes: float,
    resume: bool,
    seed: int = 0,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Path:
    """Train for a number of minutes (those of earlier runs included); return the checkpoint, out/video_vae.safetensors.

    With `resume`, a state found in `out` goes on, and a checkpoint without a state keeps its projection.
    """
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    state, checkpoint = out / "video_vae.state.safetensors", out / "video_vae.safetensors"
    vae = VideoVae.load(checkpoint) if resume and checkpoint.exists() else VideoVae(VideoVaeConfig())
    if not vae.basis.any():
        fit_projection(vae)
        out.mkdir(parents=True, exist_ok=True)
        vae.save(checkpoint)
    optimizer = AdamW(vae.decoder.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-3)
    models, optimizers = {"decoder": vae.decoder}, {"adamw": optimizer}
    numbers: dict[str, int | float] = {"step": 0, "minutes": 0.0}
    if resume and state.exists():
        numbers = load_state(state, models=models, optimizers=optimizers)
    step, before = int(numbers["step"]), numbers["minutes"]

    def save(spent: float) -> None:
        save_state(state, models=models, optimizers=optimizers, numbers={"step": step, "minutes": spent})
        vae.save(checkpoint)

    started = saved = time.monotonic()
    tally: list[tuple[float, float, float]] = []
    with DrawnPool(_make, key=_shape, capacity=240, passes=2.0, first_seed=step * BATCH + 1) as pool:
        while (spent := before + (time.monotonic() - started) / 60) < minutes:
            scale = min(1, (step + 1) / WARMUP_STEPS) * max(0.02, 1 - spent / minutes) ** 0.5
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * scale
            tally.append(train_step(vae, optimizer, pool.batch(BATCH, rng), generator))
            step += 1
            if step % REPORT_EVERY == 0:
                loss, error, bare = np.mean(tally, axis=0)
                on_report(
                    Report(
                        step,
                        spent,
                        float(loss),
                        float(-10 * np.log10(error / 4)),
                        float(10 * np.log10(bare / error)),
                    )
                )
                tally = []
            if time.monotonic() - saved > SAVE_EVERY_S:
                save(spent)
                saved = time.monotonic()
    save(minutes)
    return checkpoint


def _shape(sample: Pictures) -> tuple[int, ...]:
    return sample.frames.shape
