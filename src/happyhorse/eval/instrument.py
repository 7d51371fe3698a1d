"""An instrument: what does this picture show, and how open is the mouth? It learns from the world only, never from nano's output.

It reads the place and the light from the whole picture, finds the face, looks at the head for what people wear and are, and at
the mouth for how open it is.

Axes: b batch, h w height and width, s side of a square.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from happyhorse.model.checkpoint import fill
from happyhorse.world.scene import ATTRIBUTES

SIZE = (128, 224)
"""Height and width at which pictures are read."""
IN_SCENE = ("environment", "time", "shot")
ON_HEAD = ("gender", "skin", "hair_style", "hair_colour", "top_colour", "glasses", "hat")
READ = (*IN_SCENE, *ON_HEAD)
_MOUTH_DEPTH = 0.285  # below the middle of a face, in head heights


class Place(NamedTuple):
    """Where faces are: middles (across, down) and the head's height, in picture heights from the picture's middle."""

    middle: Float[Tensor, "b 2"]
    head: Float[Tensor, " b"]

    @classmethod
    def of_boxes(cls, boxes: list[tuple[int, int, int, int]], *, width: int, height: int) -> "Place":
        """Read boxes (left, top, right, bottom) in pixels."""
        left, top, right, bottom = torch.tensor(boxes, dtype=torch.float32).unbind(-1)
        across, down = (left + right - width) / 2 / height, (top + bottom - height) / 2 / height
        return cls(torch.stack([across, down], -1), (bottom - top) / height)

    def mouths(self) -> "Place":
        """The same heads, with the mouth in the middle."""
        below = torch.stack([torch.zeros_like(self.head), _MOUTH_DEPTH * self.head], -1)
        return Place(self.middle + below, self.head)


class Instrument(nn.Module):
    """Convolutions at three distances, then one linear reading for each attribute and one for the mouth."""

    def __init__(self) -> None:
        super().__init__()
        self.far = nn.Sequential(
            *_halve(3, 24), *_halve(24, 48), *_halve(48, 64), *_halve(64, 96),
            nn.Conv2d(96, 96, 3, padding=1), nn.SiLU(), nn.Conv2d(96, 96, 3, padding=1), nn.SiLU(),
        )  # fmt: skip
        self.face = nn.Conv2d(96, 2, 1)
        self.head = nn.Sequential(
            *_halve(3, 32), *_halve(32, 64), *_halve(64, 96), *_halve(96, 128), nn.Flatten()
        )
        self.mouth = nn.Sequential(
            *_halve(3, 32), *_halve(32, 64), *_halve(64, 96), nn.Flatten(), nn.LazyLinear(1)
        )
        self.scene_heads = nn.ModuleDict({name: nn.LazyLinear(len(ATTRIBUTES[name])) for name in IN_SCENE})
        self.head_heads = nn.ModuleDict({name: nn.LazyLinear(len(ATTRIBUTES[name])) for name in ON_HEAD})
        self(torch.zeros(1, 3, *SIZE))

    def forward(
        self, pictures: Float[Tensor, "b 3 h w"], place: Place | None = None
    ) -> tuple[Place, dict[str, Float[Tensor, "b _"]], Float[Tensor, " b"]]:
        """Return where the faces are, logits by attribute, and how open the mouths are, 0 closed to 1 wide.

        `place` says where to look instead of where the faces were found; a picture has values in [-1, 1].
        """
        if pictures.shape[-2:] != SIZE:
            pictures = F.interpolate(pictures, SIZE, mode="area")
        features = self.far(pictures)
        found = self._find(features)
        place = place or Place(*(value.detach() for value in found))
        scene = F.adaptive_avg_pool2d(features, (4, 7)).flatten(1)
        person = self.head(crop(pictures, place, side=48, heads=2.0))
        logits = {name: head(scene) for name, head in self.scene_heads.items()}
        logits |= {name: head(person) for name, head in self.head_heads.items()}
        mouth = self.mouth(crop(pictures, place.mouths(), side=32, heads=0.55))
        return found, {name: scores.float() for name, scores in logits.items()}, mouth[:, 0].float()

    def _find(self, features: Float[Tensor, "b c h w"]) -> Place:
        """The mean place under a softmax over the grid, and the head's height there."""
        heat, height = self.face(features).float().unbind(1)
        share = heat.flatten(1).softmax(-1).view_as(heat)
        across = _cells(heat.shape[2]) * SIZE[1] / SIZE[0]
        down = _cells(heat.shape[1])[:, None]
        middle = torch.stack([(share * across).sum((1, 2)), (share * down).sum((1, 2))], -1)
        return Place(middle, (share * F.softplus(height)).sum((1, 2)))

    @torch.inference_mode()
    def read(self, pictures: Float[Tensor, "b 3 h w"]) -> dict[str, str]:
        """Return what several pictures of one clip show, by their mean logits."""
        logits = self(pictures)[1]
        return {name: ATTRIBUTES[name][int(value.mean(0).argmax())] for name, value in logits.items()}

    @torch.inference_mode()
    def mouths(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Return how open each picture's mouth is."""
        opened: Tensor = self(pictures)[2]
        return opened

    def save(self, path: Path) -> None:
        """Write the weights."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), path)

    @classmethod
    def load(cls, path: Path) -> "Instrument":
        """Read what `save` wrote. Raises: WeightsMissing for a file of another world's attributes."""
        instrument = cls()
        fill(instrument, load_file(path), origin=str(path))
        return instrument.eval()


def crop(
    pictures: Float[Tensor, "b 3 h w"], place: Place, *, side: int, heads: float
) -> Float[Tensor, "b 3 s s"]:
    """Cut the square around each place, `heads` head heights wide."""
    height, width = pictures.shape[-2:]
    line = torch.linspace(-0.5, 0.5, side) * heads
    down, across = torch.meshgrid(line, line, indexing="ij")
    offsets = torch.stack([across, down], -1) * place.head.view(-1, 1, 1, 1)
    points = (place.middle.view(-1, 1, 1, 2) + offsets) * 2
    points = points * torch.tensor([height / width, 1.0])
    return F.grid_sample(pictures, points, align_corners=False, padding_mode="border")


def as_pictures(frames: NDArray[np.uint8]) -> Float[Tensor, "b 3 h w"]:
    """Turn (b, h, w, 3) bytes into values in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def _halve(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()


def _cells(count: int) -> Float[Tensor, " n"]:
    """Middles of `count` cells over -0.5 to 0.5."""
    return (torch.arange(count) + 0.5) / count - 0.5
