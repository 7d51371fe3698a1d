"""Pictures on their way into the 15 B model and out of it: a first frame cut and scaled, values turned to bytes, a final size.

Axes: b batch, f frames, h w height and width in pixels. Source: specs/model.md 3.3, 3.5.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor


def crop_box(width: int, height: int, *, target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the largest middle part that has the ratio of `target` (width, height)."""
    if height / width > target[1] / target[0]:
        kept_w, kept_h = width, int(width * target[1] / target[0])
    else:
        kept_w, kept_h = int(height * target[0] / target[1]), height
    return (
        round((width - kept_w) / 2),
        round((height - kept_h) / 2),
        round((width + kept_w) / 2),
        round((height + kept_h) / 2),
    )


def first_frame(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> Float[Tensor, "1 3 1 h w"]:
    """Cut RGB (h, w, 3) to the ratio of `size` (width, height), scale it there with Lanczos, and map it to [-1, 1]."""
    image = Image.fromarray(picture)
    image = image.crop(crop_box(image.width, image.height, target=size)).resize(
        size, Image.Resampling.LANCZOS
    )
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
    return pixels[None, :, None].float() / 127.5 - 1


def to_bytes(pixels: Float[Tensor, "b 3 f h w"]) -> UInt8[Tensor, "f h w 3"]:
    """Turn the pictures of one clip in [-1, 1] into RGB bytes, cut off and not rounded, as published."""
    scaled = (pixels[0].float() * 0.5 + 0.5).clamp(0, 1) * 255
    return scaled.to(torch.uint8).permute(1, 2, 3, 0)


def resize(
    pictures: UInt8[Tensor, "f h w 3"],
    *,
    size: tuple[int, int],
    mode: Literal["bilinear", "bicubic"] = "bicubic",
) -> UInt8[Tensor, "f h2 w2 3"]:
    """Scale pictures to `size` (width, height) on the device they are on."""
    if (pictures.shape[2], pictures.shape[1]) == size:
        return pictures
    planes = pictures.permute(0, 3, 1, 2).float() / 255
    scaled = F.interpolate(planes, size=(size[1], size[0]), mode=mode, align_corners=False)
    return (scaled.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1)


def fit(pictures: UInt8[Tensor, "f h w 3"], *, size: tuple[int, int]) -> UInt8[Tensor, "f h2 w2 3"]:
    """Cut pictures in the middle to the ratio of `size` (width, height), then scale them there. Never pads."""
    left, top, right, bottom = crop_box(pictures.shape[2], pictures.shape[1], target=size)
    return resize(pictures[:, top:bottom, left:right], size=size)
