"""Train nano's video codec: fit the projection on the world's blocks, train encoder and decoder around it, then fit
what is linear in what is left.

Axes: b batch, c colours, f frames, h w height and width in pixels.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW

from happyhorse.errors import InvalidRequest
from happyhorse.model.pixels import from_bytes
from happyhorse.model.video_vae import BLOCK_VALUES, SEEN, UPSCALE, VideoVae, VideoVaeConfig, to_blocks
from happyhorse.shapes import SPACE_STRIDE, TIME_STRIDE
from happyhorse.training.draw import DrawnPool
from happyhorse.training.machine import PLAIN, Machine
from happyhorse.training.redraw import Redrawn, load_network, make_redrawn
from happyhorse.training.squares import DRAWN, SHOWN, Box, Pictures, make_pictures, make_squares
from happyhorse.training.state import load_state, save_state

FACE_WEIGHT, MOUTH_WEIGHT = 5.0, 8.0
EDGE_WEIGHT, SQUARED_WEIGHT = 1.0, 2.0
MIDDLE = slice(TIME_STRIDE, (1 + DRAWN) * TIME_STRIDE)
FIRST_AGAIN, LAST_AGAIN = [1, *range(1, SHOWN)], [*range(1 + DRAWN), DRAWN]
BEGUN_SHARE, ENDED_SHARE = 0.2, 0.1
"""How often the first latent drawn begins a clip, and the last one ends it: there, a latent is its own neighbour."""
SIZE_WEIGHT = 0.02
FIT_SAMPLES, FIT_MOTION_SAMPLES = 1200, 600
FIT_NOISE, RIDGE = 0.15, 1e-3
FIT_SEED = 50_000_000
LEARNING_RATE = 8e-4
WARMUP_STEPS = 100
BATCH = 6
CHECKPOINT = "video_vae.safetensors"
REDRAWN_EVERY = 3
"""One step in so many learns from what a network says, if there is one: with one in two, pictures became softer."""
SAVE_EVERY_S = 60.0
REPORT_EVERY = 50
MAX_LATENT_NOISE, MAX_NOISE_BESIDE_REDRAWN = 0.4, 0.1
"""How far latents are made to err, in their own size: less where those of a network teach what its errors are."""

Square = TypeVar("Square", Pictures, Redrawn)


@dataclass(frozen=True)
class Report:
    """What the trainer says now and then: mean loss since the last report; PSNR of the last batch that was read and its gain over the bare projection."""

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
    """Add to the matrix of motion what decoder, field and matrix leave of a block, by least squares from three latents.

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
        counts = F.avg_pool2d(weights, UPSCALE * SPACE_STRIDE).flatten().repeat(DRAWN)[:, None].double()
        seen = latent[0].unfold(1, SEEN, 1)  # (c, t, h, w, three latents)
        told = rearrange(seen, "c t h w k -> (t h w) (k c)").double()
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


def drawing_loss(
    drawn: Float[Tensor, "b 3 f h w"], true: Float[Tensor, "b 3 f h w"], faces: list[Box]
) -> Tensor:
    """Mean absolute error of values, of changes from frame to frame, of how these change, and of edges; mean squared error of values.

    All but the edges count more on the face. The third is what a picture that jumps from latent to latent has too much of, and
    even motion nothing; the last is for the few places that are quite wrong: something has moved, and is drawn where it was.
    """
    weights = face_weights(faces, *true.shape[-2:]).to(true.device)
    wrong = drawn - true
    change = wrong.diff(dim=2)
    errors = wrong.abs(), change.abs(), change.diff(dim=2).abs(), SQUARED_WEIGHT * wrong.square()
    loss = torch.stack([(error * weights).mean() for error in errors]).sum()
    edges = torch.stack([wrong.diff(dim=axis).abs().mean() for axis in (-2, -1)]).sum()
    return loss + EDGE_WEIGHT * edges


def size_loss(latent: Float[Tensor, "b c t h w"]) -> Tensor:
    """How far the channels' power exceeds 1: else the encoder would shout over the noise that the transformer is to remove."""
    return (latent.square().mean(dim=(0, 2, 3, 4)) - 1).relu().mean()


def from_first_frame(pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b 3 f h w"]:
    """Return groups as if the clip began with the first that is drawn: its last frame fills it alone, and is its own neighbour."""
    first = MIDDLE.start + TIME_STRIDE
    return torch.cat(
        [pixels[:, :, first - 1 : first].expand(-1, -1, first, -1, -1), pixels[:, :, first:]], dim=2
    )


def train_step(
    vae: VideoVae, optimizer: AdamW, batch: list[Pictures], generator: torch.Generator, *, noise: float
) -> tuple[Tensor, Float[Tensor, "b 3 f h w"], Float[Tensor, "b 3 f h w"]]:
    """One update; return the loss, the squares as drawn and as they are.

    The latents carry noise of random strength, up to `noise`, as those of a transformer do, so the decoder learns to smooth them.
    """
    device = generator.device
    pixels = torch.cat([from_bytes(sample.frames) for sample in batch]).to(device)
    begun, ended = torch.rand(2, len(batch), 1, 1, 1, 1, generator=generator, device=device)
    pixels = torch.where(begun < BEGUN_SHARE, from_first_frame(pixels), pixels)
    true = pixels[:, :, MIDDLE]
    with torch.autocast(device.type, dtype=torch.bfloat16):
        latent = vae.read(shrink(pixels))
        level = noise * torch.rand(len(batch), 1, 1, 1, 1, generator=generator, device=device)
        seen = latent + level * torch.randn(latent.shape, generator=generator, device=device)
        seen = torch.where(begun < BEGUN_SHARE, seen[:, :, FIRST_AGAIN], seen)
        seen = torch.where(ended < ENDED_SHARE, seen[:, :, LAST_AGAIN], seen)
        drawn = vae.draw(seen)
    loss = drawing_loss(drawn, true, [sample.face for sample in batch])
    _update(vae, optimizer, loss + SIZE_WEIGHT * size_loss(latent))
    return loss.detach(), drawn.detach(), true


def redraw_step(vae: VideoVae, optimizer: AdamW, batch: list[Redrawn]) -> Tensor:
    """One update on latents as a network says them; return the loss."""
    device = vae.basis.device
    true = torch.cat([from_bytes(sample.frames) for sample in batch]).to(device)
    latent = torch.stack([torch.from_numpy(sample.latent) for sample in batch]).to(device).float()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        drawn = vae.draw(latent)
    loss = drawing_loss(drawn, true, [sample.face for sample in batch])
    _update(vae, optimizer, loss)
    return loss.detach()


def _update(vae: VideoVae, optimizer: AdamW, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimizer.step()


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
    machine: Machine = PLAIN,
    seed: int = 0,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Path:
    """Train for a number of minutes (those of earlier runs included), then fit the matrix of motion; return out/video_vae.safetensors.

    With `resume`, a state found in `out` goes on, and a checkpoint without a state keeps its weights. With `decoder_only` the
    latents stay as they are, for a transformer that has learned them. So they do with `network`, a folder of nano's weights, by whose
    transformer every third batch is drawn again. Raises: WeightsMissing for a folder that is not whole; InvalidRequest for a
    network of other latents.
    """
    torch.manual_seed(seed)
    device, workers = machine.device, machine.workers
    rng, generator = np.random.default_rng(seed), torch.Generator(device).manual_seed(seed)
    vae = _open(out, resume=resume, network=network).to(device)
    vae.encoder.requires_grad_(requires_grad=not (decoder_only or network is not None))
    trained = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = AdamW(trained, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-3)
    models, optimizers = {"encoder": vae.encoder, "decoder": vae.decoder}, {"adamw": optimizer}
    state, checkpoint = out / "video_vae.state.safetensors", out / CHECKPOINT
    numbers: dict[str, int | float] = {"step": 0, "minutes": 0.0}
    if resume and state.exists():
        numbers = load_state(state, models=models, optimizers=optimizers)
    step, before = int(numbers["step"]), numbers["minutes"]
    noise = MAX_LATENT_NOISE if network is None else MAX_NOISE_BESIDE_REDRAWN

    def save(spent: float) -> None:
        save_state(state, models=models, optimizers=optimizers, numbers={"step": step, "minutes": spent})
        vae.save(checkpoint)

    started = saved = time.monotonic()
    losses: list[Tensor] = []
    with ExitStack() as stack:
        pool = stack.enter_context(_pool(make_squares, step, workers))
        again = (
            None
            if network is None
            else stack.enter_context(_pool(partial(make_redrawn, folder=network), step, workers))
        )
        while (spent := before + (time.monotonic() - started) / 60) < minutes:
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * learning_scale(step, spent / minutes)
            if again and step % REDRAWN_EVERY == 1:
                losses.append(redraw_step(vae, optimizer, again.batch(BATCH, rng)))
            else:
                loss, drawn, true = train_step(vae, optimizer, pool.batch(BATCH, rng), generator, noise=noise)
                losses.append(loss)
                gained = shrink(drawn), shrink(true)
            step += 1
            if step % REPORT_EVERY == 0:
                psnr, bare = psnr_db(*gained), psnr_db(vae.bare(gained[1]), gained[1])
                on_report(Report(step, spent, float(torch.stack(losses).mean()), psnr, psnr - bare))
                losses = []
            if time.monotonic() - saved > SAVE_EVERY_S:
                save(spent)
                saved = time.monotonic()
    save(minutes)
    fit_motion(vae.cpu())
    vae.save(checkpoint)
    return checkpoint


def learning_scale(step: int, progress: float) -> float:
    """Warm up, then fall as the square root of the time that is left."""
    return min(1, (step + 1) / WARMUP_STEPS) * max(0.02, 1 - progress) ** 0.5


def _open(out: Path, *, resume: bool, network: Path | None) -> VideoVae:
    """Return the codec to go on with: that in `out`, else the network's, else a new one with its projection fitted."""
    checkpoint = out / CHECKPOINT
    vae = VideoVae.load(checkpoint) if resume and checkpoint.exists() else None
    if network is not None:
        learned = VideoVae.load(load_network(network).codecs.video)
        if vae is not None and not _same_latents(vae, learned):
            raise InvalidRequest(
                f"{checkpoint} has other latents than the network in {network}; give --out an empty folder to go on from that network's codec",
                field="for",
            )
        vae = vae or learned
    vae = vae or VideoVae(VideoVaeConfig())
    if not vae.basis.any():
        fit_projection(vae)
        out.mkdir(parents=True, exist_ok=True)
        vae.save(checkpoint)
    return vae


def _same_latents(one: VideoVae, other: VideoVae) -> bool:
    """Whether two codecs encode alike, whatever they draw."""
    mine, theirs = one.state_dict(), other.state_dict()
    read = [name for name in mine if not name.startswith(("decoder.", "motion"))]
    return one.config == other.config and all(torch.equal(mine[name], theirs[name]) for name in read)


def _pool(make: Callable[[range], Iterator[Square]], step: int, workers: int) -> DrawnPool[Square]:
    return DrawnPool(
        make, key=_shape, capacity=1200, passes=4.0, first_seed=step * BATCH + 1, workers=workers
    )


def _shape(sample: Pictures | Redrawn) -> tuple[int, ...]:
    return sample.frames.shape
