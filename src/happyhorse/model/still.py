"""A given first frame stays what it is: wherever later frames still show it, they show the picture itself.

The clip says how the camera moves and what has changed since its first frame; the picture says what the rest looks like up
close. So a photograph stays itself while a camera moves over it, at any output size, and nothing flickers that stands still.

Axes: h w height and width of the clip's own frames, H W those of the finished ones. Values lie in [-1, 1].
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

CHANGE = 0.08
"""A smoothed difference of this size leaves about a third of the picture."""
HANDOVER_FRAMES = 6
"""Frames until it does: before, larger ones are forgiven, so that a clip lets go of its picture gently and not at once."""
NEIGHBOURHOOD = 9
"""Pixels of the clip's own frames over which differences are smoothed: finer ones are the codec's, not the scene's."""
OUTLIER = 0.1
"""Differences beyond this count little when the camera is sought: something else moves there."""
ITERATIONS = 4


@dataclass(frozen=True)
class Camera:
    """Where the first frame is seen: a point (x, y) of a frame shows the point (zoom x + right, zoom y + down) of the first.

    Coordinates run from -1 to 1 over width and height.
    """

    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0


class StillPicture:
    """Gives frames of one clip, in order, what they share with the picture that it began from."""

    def __init__(self, picture: Float[Tensor, "3 H W"], first: Float[Tensor, "3 h w"]) -> None:
        self._picture, self._first = picture, first
        self._camera = Camera()
        self._number = 0

    def keep(self, frame: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 H W"]:
        """Return the frame at the picture's size: the picture where nothing has changed but the light, else the frame."""
        self._camera = follow(self._first, frame, start=self._camera)
        tolerance = CHANGE * max(1.0, HANDOVER_FRAMES / max(1, self._number))
        change, still = compare(self._first, frame, self._camera, tolerance=tolerance)
        self._number += 1
        share, light = enlarge(torch.cat([still[None], change]), self._picture.shape).split([1, 3])
        picture = _look(self._picture, _grid(self._camera, self._picture.shape))
        return torch.lerp(enlarge(frame, self._picture.shape), picture + light, share)


def compare(
    first: Float[Tensor, "3 h w"], frame: Float[Tensor, "3 h w"], camera: Camera, *, tolerance: float
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "h w"]]:
    """Return the smoothed difference of a frame from the first one as that camera sees it, and how still each place is, 0 to 1."""
    grid = _grid(camera, frame.shape)
    change = smooth(frame - _look(first, grid))
    return change, torch.exp(-(change.abs().amax(dim=0) / tolerance).square()) * _inside(grid)


def follow(first: Float[Tensor, "3 h w"], frame: Float[Tensor, "3 h w"], *, start: Camera) -> Camera:
    """Find the camera by least squares on brightness, from the one of the frame before, careless of what else moves.

    Source: Lucas and Kanade's method, iteratively reweighted (Baker and Matthews, 2004).
    """
    seen, shown = (F.avg_pool2d(x.mean(dim=0)[None, None], 2) for x in (first, frame))
    slope_x, slope_y = torch.gradient(seen[0, 0], dim=(1, 0))
    height, width = slope_x.shape
    # per unit of the coordinates, of which there are two over each side
    stack = torch.stack([seen[0, 0], slope_x * width / 2, slope_y * height / 2])
    x, y = _grid(Camera(), stack.shape)[0].unbind(-1)
    guess = torch.tensor([start.zoom, start.right, start.down], dtype=torch.float64)
    for _ in range(ITERATIONS):
        grid = _grid(Camera(*guess.tolist()), stack.shape)
        now, by_x, by_y = _look(stack, grid)
        wrong = shown[0, 0] - now
        counts = _inside(grid) / (1 + (wrong / OUTLIER).square())
        rows = torch.stack([by_x * x + by_y * y, by_x, by_y]).flatten(1).double()
        weighted = rows * counts.flatten()
        normal = weighted @ rows.T
        normal += 1e-6 * normal.diagonal().sum().clamp(min=1e-9) * torch.eye(3, dtype=torch.float64)
        guess = guess + torch.linalg.solve(normal, weighted @ wrong.flatten().double())
    return Camera(*guess.tolist())


def smooth(difference: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Return means over a neighbourhood, twice, so that their weights fall off to its edge."""
    for _ in range(2):
        difference = F.avg_pool2d(
            difference, NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2, count_include_pad=False
        )
    return difference


def enlarge(frame: Float[Tensor, "c h w"], shape: torch.Size) -> Float[Tensor, "c H W"]:
    """Bring a frame to the height and width of `shape`."""
    return F.interpolate(frame[None], size=tuple(shape[-2:]), mode="bicubic", align_corners=False)[0]


def _grid(camera: Camera, shape: torch.Size) -> Float[Tensor, "1 h w 2"]:
    matrix = torch.tensor([[camera.zoom, 0.0, camera.right], [0.0, camera.zoom, camera.down]])
    return F.affine_grid(matrix[None], [1, 1, *shape[-2:]], align_corners=False)


def _look(frame: Float[Tensor, "c h w"], grid: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "c h w"]:
    return F.grid_sample(frame[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def _inside(grid: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "h w"]:
    return (grid[0].abs() <= 1).all(dim=-1).float()
