"""Where a token stands (coords) and how far its query and key are turned for it. Used by pack.py and transformer.py.

Axes: b batch, n tokens, k angles (three axes of d // 8 bands each), h heads, d head width.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.config import CoordsStyle
from happyhorse.shapes import PATCH, LatentShape


def video_coords(grid: LatentShape) -> Float[Tensor, "n 9"]:
    """Return position, own size and reference size, each (t, y, x), of every token of a video latent."""
    size = (grid.frames, grid.height // PATCH, grid.width // PATCH)
    axes = [torch.arange(s, dtype=torch.float32, device="cpu") for s in size]
    position = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    return _with_sizes(position, own=size, reference=size)


def audio_coords(num_audio: int, *, grid: LatentShape, style: CoordsStyle) -> Float[Tensor, "n 9"]:
    """Return the coords of audio tokens: v2 counts four to a latent frame, v1 stretches them over the clip."""
    frames = grid.frames if style == "v1" else (num_audio - 1) // 4 + 1
    return _with_sizes(_on_time_axis(0, num_audio), own=(num_audio, 1, 1), reference=(frames, 1, 1))


def text_coords(num_text: int, *, style: CoordsStyle) -> Float[Tensor, "n 9"]:
    """Return the coords of prompt tokens: v2 puts them all at time 0, v1 spreads them from 0 to 1."""
    first, frames = (0, 2) if style == "v1" else (-num_text, 1)
    return _with_sizes(_on_time_axis(first, num_text), own=(num_text, 1, 1), reference=(frames, 1, 1))


def positions_of(coords: Float[Tensor, "n 9"]) -> Float[Tensor, "n 3"]:
    """Turn coords into the numbers that multiply the bands. Space is centred, time is not. Source: specs/model.md 1.4.

    Raises: ValueError where one token would have to span several reference units (v1 with a single audio or text token).
    """
    position, own, reference = coords.split(3, dim=-1)
    if bool(((own == 1) & (reference != 1)).any()):
        raise ValueError(
            "a modality with one token cannot be stretched over a longer one; v1 coords need two or more"
        )
    scale = torch.where(own == 1, torch.ones_like(own), (reference - 1) / (own - 1).clamp(min=1))
    centre = (own - 1) / 2 * torch.tensor([0.0, 1.0, 1.0], device="cpu")
    return (position - centre) * scale


@lru_cache(maxsize=256)
def coords_of(
    grid: LatentShape, *, num_audio: int, num_text: int, style: CoordsStyle
) -> Float[Tensor, "n 9"]:
    """Return the coords of [video | audio | text], on the CPU. Depends on shapes only, so it is computed once."""
    # A tensor born in inference mode could not be used for training later.
    with torch.inference_mode(mode=False):
        parts = [
            video_coords(grid),
            audio_coords(num_audio, grid=grid, style=style),
            text_coords(num_text, style=style),
        ]
        return torch.cat(parts)


class RotaryBands(nn.Module):
    """The frequencies, kept as a buffer because published checkpoints store them (`adapter.rope.bands`)."""

    bands: Tensor

    def __init__(self, head_dim: int, *, theta: float) -> None:
        super().__init__()
        num_bands = head_dim // 8
        self.register_buffer("bands", theta ** (-torch.arange(num_bands, dtype=torch.float32) / num_bands))

    def forward(
        self, positions: Float[Tensor, "b n 3"]
    ) -> tuple[Float[Tensor, "b n k"], Float[Tensor, "b n k"]]:
        """Return sines and cosines, in float32, ordered t bands, y bands, x bands."""
        angles = (positions.float()[..., None] * self.bands.float()).flatten(-2)
        return angles.sin(), angles.cos()


def rotate(
    x: Float[Tensor, "b n h d"], sin: Float[Tensor, "#b n k"], cos: Float[Tensor, "#b n k"]
) -> Float[Tensor, "b n h d"]:
    """Turn the first 2k of d dimensions in pairs (j, j + k); the rest pass through. Source: specs/model.md 1.5."""
    k = sin.shape[-1]
    sin, cos = sin[:, :, None], cos[:, :, None]
    first, second, rest = x.split([k, k, x.shape[-1] - 2 * k], dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def _on_time_axis(first: int, count: int) -> Float[Tensor, "n 3"]:
    times = torch.arange(first, first + count, dtype=torch.float32, device="cpu")
    return torch.stack([times, torch.zeros_like(times), torch.zeros_like(times)], dim=-1)


def _with_sizes(
    position: Float[Tensor, "n 3"], *, own: tuple[int, int, int], reference: tuple[int, int, int]
) -> Float[Tensor, "n 9"]:
    sizes = torch.tensor([*own, *reference], dtype=torch.float32, device="cpu")
    return torch.cat([position, sizes.expand(position.shape[0], 6)], dim=-1)
