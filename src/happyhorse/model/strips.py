"""A picture drawn in strips, each together with as much of its neighbours as its convolutions see, which is then dropped.

Axes: b batch, c channels, f frames, h w height and width.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


def in_strips(
    draw: Callable[[Tensor], Tensor], x: Float[Tensor, "b c f h w"], *, count: int, reach: int
) -> Float[Tensor, "b c2 f2 h2 w2"]:
    """Return draw(x), made in `count` strips across the longer side; `draw` may enlarge, and sees `reach` pixels of x around."""
    axis = 4 if x.shape[4] >= x.shape[3] else 3
    length = x.shape[axis]
    strips = []
    for start, end in pairwise(length * i // count for i in range(count + 1)):
        first, last = max(0, start - reach), min(length, end + reach)
        drawn = draw(x.narrow(axis, first, last - first))
        scale = drawn.shape[axis] // (last - first)
        strips.append(drawn.narrow(axis, (start - first) * scale, (end - start) * scale))
    return torch.cat(strips, dim=axis)
