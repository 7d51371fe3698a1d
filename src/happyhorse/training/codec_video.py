"""Train nano's video codec: fit projection and motion on the world's blocks, then train encoder and decoder around them.

Axes: b batch, c colours, f frames, h w height and width in pixels.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW

from happyhorse.model.pixels import from_bytes
from happyhorse.model.video_vae import BLOCK_VALUES, SEEN, UPSCALE, VideoVae, VideoVaeConfig, to_blocks
from happyhorse.shapes import SPACE_STRIDE, TIME_STRIDE
from happyhorse.training.draw import DrawnPool
from happyhorse.training.redraw import load_network, make_redrawn
from happyhorse.training.squares import Box, Pictures, make_pictures, make_squares
from happyhorse.training.state import load_state, save_state

FACE_WEIGHT, MOUTH_WEIGHT = 2.0, 4.0
EDGE_WEIGHT = 1.0
MIDDLE = slice(TIME_STRIDE, 2 * TIME_STRIDE)
ALONE_SHARE = 0.1
"""How often the middle stands for a neighbour, as at the ends of a clip."""
SIZE_WEIGHT = 0.02
MOTION_WEIGHT = 1.0
FIT_SAMPLES, FIT_MOTION_SAMPLES = 1200, 800
FIT_NOISE, RIDGE = 0.15, 1e-3
FIT_SEED = 50_000_000
LEARNING_RATE = 8e-4
WARMUP_STEPS = 100
BATCH = 12
REDRAWN_EVERY = 4
SAVE_EVERY_S = 60.0
REPORT_EVERY = 50
MAX_LATENT_NOISE = 0.1
"""What true latents err by, so that none of their last digits is leant on."""


@dataclass(frozen=True)
class Report:
    """What the trainer says now and then: mean loss since the last report; of the last batch, noise and all, PSNR and its gain over the bare projection."""

    step: int
    minutes: float
    loss: float
    psnr_db: float
    gain_db: float


def shrink(pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b 3 f h2 w2"]:
    """Average down to the encoder's size."""
    return F.avg_pool3d(pixels, (1, UPSCALE, UPSCALE))


def fit_projection(vae: VideoVae) -> None:
    """Set the encoder's components from the covariance of freshly drawn blocks."""
    total, count = torch.zeros(BLOCK_VALUES), 0
    moment = torch.zeros(BLOCK_VALUES, BLOCK_VALUES)
    for i in range(FIT_SAMPLES):
        blocks = to_blocks(shrink(from_bytes(make_pictures(FIT_SEED + i).frames))).flatten(0, -2)
        total += blocks.sum(0)
        moment += blocks.T @ blocks
        count += len(blocks)
    mean = total / count
    variance, components = torch.linalg.eigh((moment / count - torch.outer(mean, mean)).double())
    channels = vae.config.latent_channels
    order = torch.arange(BLOCK_VALUES - 1, BLOCK_VALUES - 1 - channels, -1)
    vae.fit(mean, components[:, order].float(), variance[order].sqrt().float())


@torch.inference_mode()
def fit_motion(vae: VideoVae) -> None:
    """Set the matrix of motion: what decoder and projection leave of a block, by least squares from three latents.

    The latents carry a little noise, so that the matrix does not lean on what a transformer cannot say.
    """
    generator = torch.Generator().manual_seed(0)
    size = len(vae.motion)
    moment = torch.zeros(size, size, dtype=torch.float64)
    cross = torch.zeros(size, BLOCK_VALUES, dtype=torch.float64)
    for i in range(FIT_MOTION_SAMPLES):
        sample = make_pictures(FIT_SEED + FIT_SAMPLES + i)
        pixels = from_bytes(sample.frames)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            latent = vae.read(shrink(pixels)).float()
            latent = latent + FIT_NOISE * torch.randn(latent.shape, generator=generator)
            left = pixels[:, :, MIDDLE] - vae.draw(latent)
        weights = face_weights([sample.face], *left.shape[-2:])[0]
        counts = F.avg_pool2d(weights, UPSCALE * SPACE_STRIDE).flatten()[:, None].double()
        told = rearrange(latent, "1 c t h w -> (h w) (t c)").double()
        moment += (told * counts).T @ told
        cross += (told * counts).T @ to_blocks(shrink(left)).flatten(0, -2).double()
    moment += RIDGE * moment.diagonal().mean() * torch.eye(size, dtype=torch.float64)
    vae.fit_motion(vae.motion + torch.linalg.solve(moment, cross).float())


def face_weights(boxes: list[Box], height: int, width: int) -> Float[Tensor, "b 1 1 h w"]:
    """Return what each pixel counts, mean 1 in every picture: faces more, most where the mouth moves."""
    weights = torch.ones(len(boxes), 1, 1, height, width)
    for weight, (left, top, right, bottom) in zip(weights, boxes, strict=True):
        across, lips = slice(max(0, left), max(0, right)), (top + bottom) // 2
        weight[..., max(0, top) : max(0, bottom), across] = FACE_WEIGHT
        weight[..., max(0, lips) : max(0, bottom), across] = MOUTH_WEIGHT
    return weights / weights.mean(dim=(-1, -2), keepdim=True)


def _edges(pixels: Float[Tensor, "b 3 f h w"]) -> tuple[Tensor, Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def drawing_loss(
    drawn: Float[Tensor, "b 3 f h w"], true: Float[Tensor, "b 3 f h w"], weights: Tensor
) -> Tensor:
    """Mean absolute error of values, of changes from frame to frame, and of edges; the first two heavier on the face."""
    wrong = drawn - true
    loss = (wrong.abs() * weights).mean() + MOTION_WEIGHT * (wrong.diff(dim=2).abs() * weights).mean()
    for mine, theirs in zip(_edges(drawn), _edges(true), strict=True):
        loss = loss + EDGE_WEIGHT * (mine - theirs).abs().mean()
    return loss


def size_loss(latent: Float[Tensor, "b c t h w"]) -> Tensor:
    """How far the channels' power exceeds 1: else the encoder would shout over the noise that the transformer is to remove."""
    return (latent.square().mean(dim=(0, 2, 3, 4)) - 1).relu().mean()


def train_step(
    vae: VideoVae, optimizer: AdamW, batch: list[Pictures], generator: torch.Generator
) -> tuple[Tensor, Float[Tensor, "b 3 f h w"], Float[Tensor, "b 3 f h w"]]:
    """One update; return the loss, the squares as drawn and as they are. All squares of a batch bring their latents, or none does.

    Latents that are read carry noise of random strength, so that the decoder learns to smooth; a network's are as they are.
    """
    pixels = torch.cat([from_bytes(sample.frames) for sample in batch])
    given = [torch.from_numpy(sample.latent).float() for sample in batch if sample.latent is not None]
    true = pixels if given else pixels[:, :, MIDDLE]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latent = torch.stack(given) if given else vae.read(shrink(pixels))
        shown = latent if given else _noised(latent, generator)
        drawn = vae.draw(shown)
    loss = drawing_loss(drawn, true, face_weights([s.face for s in batch], *true.shape[-2:]))
    optimizer.zero_grad(set_to_none=True)
    (loss + SIZE_WEIGHT * size_loss(latent)).backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimizer.step()
    return loss.detach(), drawn.detach(), true


def _noised(latent: Float[Tensor, "b c 3 h w"], generator: torch.Generator) -> Float[Tensor, "b c 3 h w"]:
    """Return latents with noise of random strength; now and then the middle one stands for its neighbours."""
    count = len(latent)
    alone = torch.rand(count, 1, SEEN, 1, 1, generator=generator) < ALONE_SHARE
    level = MAX_LATENT_NOISE * torch.rand(count, 1, 1, 1, 1, generator=generator)
    noise = torch.randn(latent.shape, generator=generator)
    return torch.where(alone, latent[:, :, 1:2], latent) + level * noise


def psnr_db(drawn: Tensor, true: Tensor) -> float:
    """Peak signal to noise of pixels in [-1, 1]."""
    return float(-10 * (F.mse_loss(drawn.clamp(-1, 1), true) / 4).log10())


def run(
    *,
    out: Path,
    minutes: float,
    resume: bool,
    decoder_only: bool = False,
    network: Path | None = None,
    seed: int = 0,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Path:
    """Train for a number of minutes (those of earlier runs included); return the checkpoint, out/video_vae.safetensors.

    With `resume`, a state found in `out` goes on, and a checkpoint without a state keeps its weights. With `decoder_only` the
    latents stay as they are, for a transformer that has learned them; so they do with `network`, a folder of nano's weights: about half of
    the squares are drawn from what that transformer brings back. Raises: WeightsMissing for a folder that is not whole.
    """
    if network:
        load_network(network)
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    state, checkpoint = out / "video_vae.state.safetensors", out / "video_vae.safetensors"
    vae = VideoVae.load(checkpoint) if resume and checkpoint.exists() else VideoVae(VideoVaeConfig())
    if not vae.basis.any():
        fit_projection(vae)
        out.mkdir(parents=True, exist_ok=True)
        vae.save(checkpoint)
    if not vae.motion.any():
        fit_motion(vae)
    vae.encoder.requires_grad_(requires_grad=not (decoder_only or network))
    trained = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = AdamW(trained, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-3)
    models, optimizers = {"encoder": vae.encoder, "decoder": vae.decoder}, {"adamw": optimizer}
    numbers: dict[str, int | float] = {"step": 0, "minutes": 0.0}
    if resume and state.exists():
        numbers = load_state(state, models=models, optimizers=optimizers)
    step, before = int(numbers["step"]), numbers["minutes"]

    def save(spent: float) -> None:
        save_state(state, models=models, optimizers=optimizers, numbers={"step": step, "minutes": spent})
        vae.save(checkpoint)

    started = saved = time.monotonic()
    losses: list[Tensor] = []
    make = partial(_with_redrawn, network) if network else make_squares
    with DrawnPool(make, key=_shape, capacity=1200, passes=4.0, first_seed=step * BATCH + 1) as pool:
        while (spent := before + (time.monotonic() - started) / 60) < minutes:
            scale = min(1, (step + 1) / WARMUP_STEPS) * max(0.02, 1 - spent / minutes) ** 0.5
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * scale
            loss, drawn, true = train_step(vae, optimizer, pool.batch(BATCH, rng), generator)
            losses.append(loss)
            step += 1
            if step % REPORT_EVERY == 0:
                small = shrink(true)
                psnr = psnr_db(shrink(drawn), small)
                gain = psnr - psnr_db(vae.bare(small), small)
                on_report(Report(step, spent, float(torch.stack(losses).mean()), psnr, gain))
                losses = []
            if time.monotonic() - saved > SAVE_EVERY_S:
                save(spent)
                saved = time.monotonic()
    save(minutes)
    return checkpoint


def _with_redrawn(network: Path, seeds: range) -> Iterator[Pictures]:
    """Yield squares of either kind by turns; a redrawn sample is cut into three times as many."""
    for number, seed in enumerate(seeds):
        sample = range(seed, seed + 1)
        yield from make_squares(sample) if number % REDRAWN_EVERY else make_redrawn(sample, folder=network)


def _shape(sample: Pictures) -> tuple[int, ...]:
    return sample.frames.shape
