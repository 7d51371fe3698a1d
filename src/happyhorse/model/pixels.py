"""RGB bytes <-> pixels in [-1, 1], as nano's codec and its trainer see pictures. Axes: f frames, h w height and width."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor


def from_bytes(frames: NDArray[np.uint8]) -> Float[Tensor, "1 3 f h w"]:
    """Frames (f, h, w, 3) as one clip."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def to_bytes(pixels: Float[Tensor, "1 3 f h w"]) -> NDArray[np.uint8]:
    """One clip as frames (f, h, w, 3), rounded; what lies outside of [-1, 1] is cut off."""
    levels = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.ascontiguousarray(levels.permute(1, 2, 3, 0).numpy())
