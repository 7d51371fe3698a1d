"""What the camera does, read from finished frames without learning: how a clip's background zooms, pans and trembles.

Between frames a fifth of a second apart, the zoom and shift are found that carry one picture's background best onto the
next (Lucas and Kanade 1981, with weights that leave out what moves by itself). Only three thresholds are fitted, on the
world's own clips.

Axes: n frames, p pairs of frames, h w height and width, k parameters (zoom, across, down).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.shapes import FPS
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import Scene
from happyhorse.world.sound import speak_line

STEP = 5
"""Frames from one looked-at picture to the next."""
_HEIGHT, _WIDTH = 128, 224
_ROUNDS = 6
_BLUR_PX = 2.0
_PERSON_SHARE = 0.03  # what a pixel of the person's place counts: enough where the background is one colour
_OUTLIER = 2.0  # median differences beyond which a pixel counts little


@dataclass(frozen=True)
class Path:
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
    def fitted(cls, paths: Sequence[tuple[str, Path]]) -> "CameraReader":
        """Fit the thresholds to paths whose move is known."""
        held = _threshold((path.tremble, name == "handheld") for name, path in paths)
        steady = [(name, path) for name, path in paths if name != "handheld"]
        zoom = _threshold((abs(path.zoom), name in ("push-in", "pull-out")) for name, path in steady)
        right = _threshold((abs(path.right), name in ("pan left", "pan right")) for name, path in steady)
        return cls(zoom, right, held)

    def read(self, path: Path) -> str:
        """Return one of the world's moves."""
        zoom, right = path.zoom / self.zoom, path.right / self.right
        if path.tremble > self.tremble:
            return "handheld"
        if max(abs(zoom), abs(right)) < 1:
            return "locked"
        if abs(zoom) > abs(right):
            return "push-in" if zoom > 0 else "pull-out"
        return "pan right" if right > 0 else "pan left"


def world_path(scene: Scene, *, seconds: int) -> Path:
    """Return the camera's path as it is read from the world's own clip of a scene."""
    motion = move(scene, speak_line(scene, aloud=False), num_frames=seconds * FPS)
    painter = ScenePainter(scene, motion, width=_WIDTH, height=_HEIGHT)
    return _followed(np.stack([painter.draw(i) for i in range(0, seconds * FPS, STEP)]))


def read_path(frames: NDArray[np.uint8]) -> Path:
    """Follow the camera through all frames (n, h, w, 3) of a clip."""
    return _followed(np.asarray(frames[::STEP]))


@torch.inference_mode()
def _followed(frames: NDArray[np.uint8]) -> Path:
    grey = _grey(frames)
    counts = _background()
    steps = steps_between(grey, counts).double().numpy()
    half = _WIDTH // 2
    # Each half of the picture is asked for itself: a hand moves both alike, a flicker does not.
    left = steps_between(grey[:, :, :half], counts[:, :half]).double().numpy()
    right = steps_between(grey[:, :, half:], counts[:, half:]).double().numpy()
    both = (_unsteady(left)[:, 1:] * _unsteady(right)[:, 1:]).sum(1).mean()
    return Path(float(steps[:, 0].sum()), float(-steps[:, 1].sum()), float(np.sqrt(max(0.0, both))))


def _unsteady(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what of the steps no smooth move explains."""
    time = np.linspace(-1, 1, len(steps))
    smooth = np.polynomial.polynomial.polyfit(time, steps, 2)
    return steps - np.polynomial.polynomial.polyval(time, smooth).T


def steps_between(grey: Float[Tensor, "n h w"], counts: Float[Tensor, "h w"]) -> Float[Tensor, "p k"]:
    """Return log zoom and shift (frame heights) that carry each picture onto the next; `counts` weighs the pixels."""
    before, after = grey[:-1], grey[1:]
    height, width = grey.shape[1:]
    down, across = torch.meshgrid(_cells(height), _cells(width) * width / height, indexing="ij")
    slope_down, slope_across = torch.gradient(before, spacing=1 / height, dim=(1, 2))
    slopes = torch.stack([slope_across * across + slope_down * down, slope_across, slope_down], -1).flatten(1, 2)
    counts = counts.flatten()
    found = torch.zeros(len(before), 3)
    for _ in range(_ROUNDS):
        error = (before - _carried_back(after, found, across, down)).flatten(1)  # (p, h w)
        usual = (counts * error.abs()).sum(1, keepdim=True) / counts.sum()
        weight = counts / (1 + (error / (_OUTLIER * usual + 1e-3)).square())
        matrix = torch.einsum("pxi,px,pxj->pij", slopes, weight, slopes)
        matrix += 1e-4 * matrix.diagonal(dim1=1, dim2=2).amax(1)[:, None, None] * torch.eye(3)
        right_side = torch.einsum("pxi,px,px->pi", slopes, weight, error)
        found = found + torch.linalg.solve(matrix, right_side)
    return found


def _carried_back(
    after: Float[Tensor, "p h w"], found: Float[Tensor, "p k"], across: Tensor, down: Tensor
) -> Float[Tensor, "p h w"]:
    """Undo the zoom and shift, so that the picture would be the one before."""
    zoom = found[:, 0].exp()[:, None, None]
    x = zoom * across + found[:, 1, None, None]
    y = zoom * down + found[:, 2, None, None]
    height, width = after.shape[1:]
    points = torch.stack([2 * x * height / width, 2 * y], -1)
    return F.grid_sample(after[:, None], points, align_corners=False, padding_mode="border")[:, 0]


def _grey(frames: NDArray[np.uint8]) -> Float[Tensor, "n h w"]:
    """Return smooth grey pictures of the size at which they are compared."""
    pictures = torch.from_numpy(frames).float().mean(-1)[:, None] / 255
    pictures = F.interpolate(pictures, (_HEIGHT, _WIDTH), mode="area")
    reach = torch.arange(-round(2 * _BLUR_PX), round(2 * _BLUR_PX) + 1)
    bell = torch.exp(-0.5 * (reach / _BLUR_PX).square())
    bell = bell / bell.sum()
    side = len(reach) // 2
    padded = F.pad(pictures, (side,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, bell[None, None, None]), bell[None, None, :, None])[:, 0]


def _background() -> Float[Tensor, "h w"]:
    """Return what each pixel counts: little where a person stands, a head in the middle with shoulders below."""
    down, across = torch.meshgrid(_cells(_HEIGHT), _cells(_WIDTH) * _WIDTH / _HEIGHT, indexing="ij")
    head = (across.abs() < 0.36) & (down < 0.25)
    shoulders = (across.abs() < 0.62) & (down >= 0.1)
    return torch.where(head | shoulders, _PERSON_SHARE, 1.0)


def _cells(count: int) -> Float[Tensor, " n"]:
    """Middles of `count` pixels over -0.5 to 0.5."""
    return (torch.arange(count) + 0.5) / count - 0.5


def _threshold(samples: Iterable[tuple[float, bool]]) -> float:
    """Return the value that parts true samples, which are large, from false ones with the fewest errors."""
    values, truth = (np.array(column) for column in zip(*sorted(samples), strict=True))
    cuts = (values[1:] + values[:-1]) / 2
    errors = [int((truth != (values > cut)).sum()) for cut in cuts]
    best = np.flatnonzero(np.array(errors) == min(errors))
    return float(cuts[best[len(best) // 2]])
