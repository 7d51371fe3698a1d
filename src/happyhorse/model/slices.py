"""Long sequences pass an MLP some rows at a time: rows there do not know of each other, and widened they take the most memory.

Axes: b batch, n packed rows, d model width.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.fp8 import put
from happyhorse.model.transformer import MLP, Sizes, Transformer


class SlicedMLP(nn.Module):
    """Stands for an MLP; takes at most `rows_at_once` rows at a time, in slices of equal size."""

    def __init__(self, mlp: nn.Module, rows_at_once: int) -> None:
        super().__init__()
        self.mlp = mlp
        self.rows_at_once = rows_at_once

    def forward(self, rows: Float[Tensor, "b n d"], sizes: Sizes) -> Float[Tensor, "b n d"]:
        num_rows = rows.shape[1]
        count = math.ceil(num_rows / self.rows_at_once)
        if count == 1:
            return self.mlp(rows, sizes)
        slices = pairwise(num_rows * i // count for i in range(count + 1))
        return torch.cat(
            [self.mlp(rows[:, start:end], _within(sizes, start, end)) for start, end in slices], dim=1
        )


def slice_mlps(model: Transformer, rows_at_once: int) -> None:
    """Slice every MLP of a network, whose values stay what they are."""
    for name, module in list(model.named_modules()):
        if isinstance(module, MLP):
            put(model, name, SlicedMLP(module, rows_at_once))


def _within(sizes: Sizes, start: int, end: int) -> Sizes:
    """How many of the rows from `start` to `end` belong to each modality."""
    video, audio = (min(max(edge, start), end) for edge in (sizes[0], sizes[0] + sizes[1]))
    return video - start, audio - video, end - audio
