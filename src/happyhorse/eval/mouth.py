"""An instrument: how open is the mouth in this picture? It finds the mouth, looks closely, and learns from the world only.

Axes: b batch, h w height and width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

CROP = 32
"""Side of the square around the mouth that is looked at, in pixels."""
CROP_PER_HEAD = 0.55
"""What of a head's height that square covers."""
_MOUTH_DEPTH = 0.785  # of the way down a face's box


class Place(NamedTuple):
    """Where a mouth is: its middle and the head's height, all in picture heights from the picture's middle, (b, 3)."""

    middle: Float[Tensor, "b 2"]
    head: Float[Tensor, " b"]


def place_in(box: tuple[int, int, int, int], *, width: int, height: int) -> tuple[float, float, float]:
    """Return x, y and head height of the mouth in a face's box (left, top, right, bottom), in picture heights."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, top + _MOUTH_DEPTH * (bottom - top)
    return (x - width / 2) / height, (y - height / 2) / height, (bottom - top) / height


class MouthReader(nn.Module):
    """A finder at 1/16 of the picture, then a closer look at the square it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.finder = nn.Sequential(
            *_halve(3, 24), *_halve(24, 48), *_halve(48, 64), *_halve(64, 96),
            nn.Conv2d(96, 96, 3, padding=1), nn.SiLU(), nn.Conv2d(96, 96, 3, padding=1), nn.SiLU(),
            nn.Conv2d(96, 2, 1),
        )  # fmt: skip
        self.close = nn.Sequential(
            *_halve(3, 32),
            *_halve(32, 64),
            *_halve(64, 96),
            nn.Flatten(),
            nn.Linear(96 * (CROP // 8) ** 2, 1),
        )

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Return how open each mouth is, 0 closed to 1 wide."""
        return self.look(pictures, self.find(pictures))

    def find(self, pictures: Float[Tensor, "b 3 h w"]) -> Place:
        """Return where the mouth is: the mean place under a softmax over the grid, and the head's height there."""
        heat, head = self.finder(pictures).unbind(1)
        share = heat.flatten(1).softmax(-1).view_as(heat)
        height, width = pictures.shape[-2:]
        across = _cells(heat.shape[2]) * width / height
        down = _cells(heat.shape[1])
        middle = torch.stack([(share * across).sum((1, 2)), (share * down[:, None]).sum((1, 2))], -1)
        return Place(middle, (share * F.softplus(head)).sum((1, 2)))

    def look(self, pictures: Float[Tensor, "b 3 h w"], place: Place) -> Float[Tensor, " b"]:
        """Return how open the mouths at these places are."""
        return self.close(crop(pictures, place))[:, 0]


def crop(pictures: Float[Tensor, "b 3 h w"], place: Place) -> Float[Tensor, "b 3 c c"]:
    """Cut the square around each mouth, sized by its head."""
    height, width = pictures.shape[-2:]
    side = torch.linspace(-0.5, 0.5, CROP) * CROP_PER_HEAD
    down, across = torch.meshgrid(side, side, indexing="ij")
    offsets = torch.stack([across, down], -1)[None] * place.head.view(-1, 1, 1, 1)
    points = (place.middle.view(-1, 1, 1, 2) + offsets) * 2
    return F.grid_sample(
        pictures, points * torch.tensor([height / width, 1.0]), align_corners=False, padding_mode="border"
    )


def _halve(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()


def _cells(count: int) -> Float[Tensor, " n"]:
    """Middles of `count` cells over -0.5 to 0.5."""
    return (torch.arange(count) + 0.5) / count - 0.5
