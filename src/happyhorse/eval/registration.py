"""By which zoom and shift does one picture become the next? Least squares on slopes (Lucas and Kanade 1981), refined in rounds.

Axes: n pictures, p pairs of pictures, h w height and width, x pixels, k parameters (zoom, across, down).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_ROUNDS = 6
_OUTLIER = 2.0  # usual differences beyond which a pixel counts little: what moves by itself
_PRIOR = 1e-4  # what speaks for no motion at all, as a share of the strongest evidence


def steps_between(pictures: Float[Tensor, "n h w"], counts: Float[Tensor, "h w"]) -> Float[Tensor, "p k"]:
    """Return log zoom and shift (picture heights, about the middle) from each picture to the next; `counts` weighs pixels."""
    before, after = pictures[:-1], pictures[1:]
    height, width = pictures.shape[1:]
    down, across = grid(height, width)
    slope_down, slope_across = torch.gradient(before, spacing=1 / height, dim=(1, 2))
    zooming = slope_across * across + slope_down * down
    slopes = torch.stack([zooming, slope_across, slope_down], -1).flatten(1, 2)  # (p, x, k)
    share = counts.flatten() / counts.sum()
    found = torch.zeros(len(before), 3)
    for _ in range(_ROUNDS):
        error = (before - _carried_back(after, found)).flatten(1)  # (p, x)
        usual = (share * error.abs()).sum(1, keepdim=True)
        weighed = (share / (1 + (error / (_OUTLIER * usual + 1e-3)).square()))[..., None] * slopes
        matrix = weighed.mT @ slopes  # (p, k, k)
        prior = _PRIOR * matrix.diagonal(dim1=1, dim2=2).amax(1) + 1e-9
        matrix = matrix + prior[:, None, None] * torch.eye(3)
        found = found + torch.linalg.solve(matrix, (weighed.mT @ error[..., None])[..., 0])
    return found


def grid(height: int, width: int) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Return how far down and across each pixel's middle is from the picture's, in picture heights."""
    lines = [(torch.arange(count) + 0.5 - count / 2) / height for count in (height, width)]
    down, across = torch.meshgrid(*lines, indexing="ij")
    return down, across


def _carried_back(after: Float[Tensor, "p h w"], found: Float[Tensor, "p k"]) -> Float[Tensor, "p h w"]:
    """Undo the zoom and shift, so that the picture would be the one before."""
    height, width = after.shape[1:]
    down, across = grid(height, width)
    zoom, right, below = found.T[:, :, None, None]
    x, y = zoom.exp() * across + right, zoom.exp() * down + below
    points = torch.stack([2 * x * height / width, 2 * y], -1)
    return F.grid_sample(after[:, None], points, align_corners=False, padding_mode="border")[:, 0]
