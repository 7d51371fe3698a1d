"""Teach the instrument on freshly drawn scenes, half of them as the codec brings them back."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from happyhorse.eval.instrument import READ, SIZE, Instrument, Place, as_pictures
from happyhorse.model.video_vae import VideoVae
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import ATTRIBUTES, Scene, sample_scene
from happyhorse.world.sound import speak_line

PEAK_RATE = 1.5e-3
SCENES_A_STEP = 10
_NUM_FRAMES = 75
_PICTURES = 6
_SHARE_PLAIN, _SHARE_DECODED = 0.5, 0.04  # the rest comes back through the projection alone, which is cheap
_JITTER = 0.03


@dataclass(frozen=True)
class Drawn:
    """Pictures of one scene with the truth: where the faces are and how open the mouths."""

    scene: Scene
    pictures: Float[Tensor, "b 3 h w"]
    place: Place
    mouth: Float[Tensor, " b"]


def draw_pictures(seed: int, rng: np.random.Generator) -> Drawn:
    """Draw a few moments of scene number `seed`."""
    scene = sample_scene(seed, seconds=3)
    motion = move(scene, speak_line(scene, aloud=False), num_frames=_NUM_FRAMES)
    painter = ScenePainter(scene, motion, width=SIZE[1], height=SIZE[0])
    numbers = [int(i) for i in rng.integers(_NUM_FRAMES, size=_PICTURES)]
    pictures = as_pictures(np.stack([painter.draw(i) for i in numbers]))
    place = Place.of_boxes([painter.subject_box(i) for i in numbers], width=SIZE[1], height=SIZE[0])
    return Drawn(scene, pictures, place, torch.tensor([float(motion.mouth_open[i]) for i in numbers]))


@torch.inference_mode()
def through_codec(
    pictures: Float[Tensor, "b 3 h w"], vae: VideoVae, *, draw: bool
) -> Float[Tensor, "b 3 h w"]:
    """Return the pictures as the codec brings them back: by its decoder, or by the projection alone."""
    latent = vae.encode(pictures[:, :, None])
    back = vae.decode(latent)[:, :, 0] if draw else vae.project(latent)[:, :, -1]
    return F.interpolate(back, SIZE, mode="area").clamp(-1, 1)


def _seen(drawn: Drawn, vae: VideoVae, rng: np.random.Generator) -> Tensor:
    dice = rng.random()
    if dice < _SHARE_PLAIN:
        return drawn.pictures
    return through_codec(drawn.pictures, vae, draw=dice < _SHARE_PLAIN + _SHARE_DECODED).clone()


def loss_on(instrument: Instrument, drawn: list[Drawn], pictures: Float[Tensor, "b 3 h w"]) -> Tensor:
    """Sum what the instrument gets wrong; it looks near the true places, so that it learns to read before it finds."""
    middle = torch.cat([item.place.middle for item in drawn])
    head = torch.cat([item.place.head for item in drawn])
    near = Place(middle + _JITTER * torch.randn_like(middle), head * (1 + _JITTER * torch.randn_like(head)))
    found, logits, mouth = instrument(pictures, near)
    loss = 20 * (F.mse_loss(found.middle, middle) + F.mse_loss(found.head, head))
    loss = loss + 8 * F.mse_loss(mouth, torch.cat([item.mouth for item in drawn]))
    for name in READ:
        true = [ATTRIBUTES[name].index(item.scene.attributes()[name]) for item in drawn]
        targets = torch.tensor(true).repeat_interleave(_PICTURES)
        loss = loss + F.cross_entropy(logits[name], targets)
    return loss


def train_instrument(
    vae: VideoVae, *, minutes: float, seed: int = 0, on_report: Callable[[str], None] = lambda _: None
) -> Instrument:
    """Train for a number of minutes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    instrument = Instrument()
    optimizer = torch.optim.AdamW(instrument.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    started, step = time.monotonic(), 0
    while (progress := (time.monotonic() - started) / 60 / minutes) < 1:
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min(1.0, 2 * (1 - progress))
        drawn = [draw_pictures(int(seed), rng) for seed in rng.integers(10**9, 2 * 10**9, size=SCENES_A_STEP)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pictures = torch.cat([_seen(item, vae, rng).float() for item in drawn])
            loss = loss_on(instrument, drawn, pictures + 0.03 * torch.randn_like(pictures))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 50 == 0:
            on_report(f"instrument: step {step}, loss {loss.item():.2f}, {100 * progress:.0f} %")
    return instrument.eval()
