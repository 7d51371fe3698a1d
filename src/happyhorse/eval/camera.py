"""What the camera does, read from finished frames without learning: how a clip's background zooms, pans and trembles.

Only three thresholds are fitted, on the world's own clips.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.eval.registration import grid, steps_between
from happyhorse.shapes import FPS
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import Scene, sample_scene
from happyhorse.world.sound import speak_line

FIRST_SEED = 3_500_000_000
"""Scenes from here on are never trained on."""
FITTED_CLIPS = 36
STEP = 4
"""Frames from one looked-at picture to the next."""
_CLIP_S = 5
_DRAWN = (128, 224)
_LOOKED = (64, 112)
_ALIKE = 0.5  # correlation above which two halves of a picture are moved by one hand
_PERSON_SHARE = 0.03  # what a pixel of the person's place counts: enough where the background is one colour


@dataclass(frozen=True)
class CameraPath:
    """How the camera went: log of the zoom in all, way to the right in frame heights, and how unsteady each step was."""

    zoom: float
    right: float
    tremble: float


@dataclass(frozen=True)
class CameraReader:
    """The thresholds beyond which a path is a zoom, a pan, a hand that holds the camera."""

    zoom: float
    right: float
    tremble: float

    @classmethod
    def fitted(cls, paths: Sequence[tuple[str, CameraPath]]) -> "CameraReader":
        """Fit the thresholds to paths whose move is known; every kind of move must occur."""
        tremble = _threshold((path.tremble, name == "handheld") for name, path in paths)
        steady = [(name, path) for name, path in paths if name != "handheld"]
        zoom = _threshold((abs(path.zoom), name in ("push-in", "pull-out")) for name, path in steady)
        right = _threshold((abs(path.right), name in ("pan left", "pan right")) for name, path in steady)
        return cls(zoom, right, tremble)

    def read(self, path: CameraPath) -> str:
        """Return one of the world's moves."""
        zoom, right = path.zoom / self.zoom, path.right / self.right
        if path.tremble > self.tremble:
            return "handheld"
        if max(abs(zoom), abs(right)) < 1:
            return "locked"
        if abs(zoom) > abs(right):
            return "push-in" if zoom > 0 else "pull-out"
        return "pan right" if right > 0 else "pan left"


def fit_camera(num_clips: int = FITTED_CLIPS) -> tuple[CameraReader, float]:
    """Return a reader fitted to clips of the world, and its share of right readings on as many others."""
    scenes = (sample_scene(FIRST_SEED + i, seconds=_CLIP_S) for i in range(2 * num_clips))
    paths = [(scene.move, world_path(scene)) for scene in scenes]
    camera = CameraReader.fitted(paths[:num_clips])
    return camera, float(np.mean([camera.read(path) == name for name, path in paths[num_clips:]]))


def world_path(scene: Scene) -> CameraPath:
    """Return the camera's path as it is read from the world's own clip of a scene."""
    motion = move(scene, speak_line(scene, aloud=False), num_frames=_CLIP_S * FPS)
    painter = ScenePainter(scene, motion, width=_DRAWN[1], height=_DRAWN[0])
    return _followed(np.stack([painter.draw(i) for i in range(0, _CLIP_S * FPS, STEP)]))


def read_path(frames: NDArray[np.uint8]) -> CameraPath:
    """Follow the camera through all frames (n, h, w, 3) of a clip."""
    return _followed(np.asarray(frames[::STEP]))


@torch.inference_mode()
def _followed(frames: NDArray[np.uint8]) -> CameraPath:
    pictures, counts = _grey(frames), _background()
    steps = steps_between(pictures, counts).double().numpy()
    half = _LOOKED[1] // 2
    sides = (
        steps_between(pictures[:, :, side], counts[:, side]).double().numpy()
        for side in (slice(half), slice(half, None))
    )
    return CameraPath(float(steps[:, 0].sum()), float(-steps[:, 1].sum()), _tremble(*sides))


def _tremble(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return how unsteady both halves of the picture are together: a hand moves them alike, a flicker does not."""
    one, other = _unsteady(left), _unsteady(right)
    common = float((one * other).sum(1).mean())
    alone = float(np.sqrt((one**2).sum(1).mean() * (other**2).sum(1).mean()))
    return common**0.5 if common > _ALIKE * alone else 0.0


def _unsteady(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what of the shifts no smooth move explains."""
    time = np.linspace(-1, 1, len(steps))
    smooth = np.polynomial.polynomial.polyfit(time, steps[:, 1:], 2)
    return np.asarray(steps[:, 1:] - np.polynomial.polynomial.polyval(time, smooth).T)


def _grey(frames: NDArray[np.uint8]) -> Float[Tensor, "n h w"]:
    """Return smooth grey pictures of the size at which they are compared."""
    pictures = torch.from_numpy(frames).float().mean(-1)[:, None] / 255
    pictures = F.interpolate(pictures, _LOOKED, mode="area")
    bell = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = F.pad(pictures, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, bell[None, None, None]), bell[None, None, :, None])[:, 0]


def _background() -> Float[Tensor, "h w"]:
    """Return what each pixel counts: little where a person stands, a head in the middle with shoulders below."""
    down, across = grid(*_LOOKED)
    head = (across.abs() < 0.36) & (down < 0.25)
    shoulders = (across.abs() < 0.62) & (down >= 0.1)
    return torch.where(head | shoulders, _PERSON_SHARE, 1.0)


def _threshold(samples: Iterable[tuple[float, bool]]) -> float:
    """Return the value that parts true samples, which are large, from false ones with the fewest errors."""
    values, truth = (np.array(column) for column in zip(*sorted(samples), strict=True))
    cuts = (values[1:] + values[:-1]) / 2
    errors = np.array([int((truth != (values > cut)).sum()) for cut in cuts])
    best = np.flatnonzero(errors == errors.min())
    return float(cuts[best[len(best) // 2]])
