"""What the video codec alone costs: held-out scenes and leaves go through it and are held against what went in.

It bounds every clip: a network cannot draw what its codec cannot carry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.media.picture import fit
from happyhorse.model.pixels import from_bytes, to_bytes
from happyhorse.model.video_vae import VideoVae
from happyhorse.world.draw import ScenePainter
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import speak_line

FIRST_SEED = 3_200_000_000
"""Scenes from here on are never trained on."""
NUM_FRAMES = 9
_WIDE, _FULL = (224, 128), (1280, 720)
_SHOWN = 4

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CodecQuality:
    """PSNR in dB at base size of world scenes, of their faces and of dead leaves; edges at 720P, 1 where as strong as drawn there."""

    scenes_db: float
    faces_db: float
    leaves_db: float
    edges: float


@torch.inference_mode()
def measure_codec(vae: VideoVae, *, count: int = 24) -> CodecQuality:
    """Send `count` scenes and as many pictures of leaves through the codec."""
    scenes, faces, leaves, edges = [], [], [], []
    for number in range(count):
        true, box, full = _scene(FIRST_SEED + number)
        back = vae.decode(vae.encode(true))
        error = (_shrink(back) - true).square()
        left, top, right, bottom = box
        scenes.append(float(error.mean()))
        faces.append(float(error[..., top:bottom, left:right].mean()))
        upscaled = fit(to_bytes(back)[_SHOWN], _FULL)
        edges.append(edge_energy(upscaled) / edge_energy(full))
        true = from_bytes(
            np.stack(
                list(draw_leaves(FIRST_SEED + number, num_frames=NUM_FRAMES, width=_WIDE[0], height=_WIDE[1]))
            )
        )
        leaves.append(float((_shrink(vae.decode(vae.encode(true))) - true).square().mean()))
    return CodecQuality(_db(scenes), _db(faces), _db(leaves), float(np.mean(edges)))


def edge_energy(picture: NDArray[np.uint8]) -> float:
    """Return the mean slope of a picture (h, w, 3), in levels a pixel."""
    grey = picture.astype(np.float64).mean(axis=2)
    return float(np.mean([np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]))


def _scene(seed: int) -> tuple[Float[Tensor, "1 3 f h w"], Box, NDArray[np.uint8]]:
    """Frames at base size, the face's box in the middle one, and one frame drawn at 720P."""
    scene = sample_scene(seed, seconds=2)
    motion = move(scene, speak_line(scene, aloud=False), num_frames=50)
    first = seed % (50 - NUM_FRAMES)
    painter = ScenePainter(scene, motion, width=_WIDE[0], height=_WIDE[1])
    frames = np.stack([painter.draw(first + i) for i in range(NUM_FRAMES)])
    full = ScenePainter(scene, motion, width=_FULL[0], height=_FULL[1]).draw(first + _SHOWN)
    return from_bytes(frames), painter.subject_box(first + NUM_FRAMES // 2), full


def _shrink(pixels: Float[Tensor, "1 3 f h2 w2"]) -> Float[Tensor, "1 3 f h w"]:
    return F.avg_pool3d(pixels.clamp(-1, 1), (1, 2, 2))


def _db(errors: list[float]) -> float:
    return float(-10 * np.log10(np.mean(errors) / 4))
