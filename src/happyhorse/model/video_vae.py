"""nano's video codec: pixels <-> latents of 96 channels on a 4x16x16 grid.

Axes: b batch, c channels, f frames, t latent frames, h w height and width (pixels or latents, as the name says).

A latent is a block of 4 frames x 16 x 16 pixels, projected onto the principal components of the world's blocks and
whitened, plus what a small network adds of the things a projection cannot tell: where a lid, a pupil, a lip is. Such latents
are ordered from coarse to fine, which suits diffusion. The first frame fills its group of four alone, so a single picture is
a clip of one latent. The decoder undoes the projection, then a network sharpens that picture, draws it at twice the size and
moves it along a field for each of the four frames. A latent is read from its own four frames alone, and drawn with a look at
the one before and the one after: how things move within 160 ms shows in where they were and will be. What is linear in the
three latents and still missing is a matrix, fitted in closed form. So both directions are streams.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.arithmetic import quick
from happyhorse.model.checkpoint import Storage, description, fill, load_tensors, save_tensors
from happyhorse.model.warp import warp
from happyhorse.shapes import SPACE_STRIDE, TIME_STRIDE

FORMAT = "happyhorse-video-vae-4"
BLOCK_VALUES = TIME_STRIDE * SPACE_STRIDE * SPACE_STRIDE * 3
DETAIL_SIZE = 0.05
"""What the decoder adds is about this large, so that its weights and steps can have the usual size."""
FOLD = 4
"""The networks look at pictures folded by this: their finest grid is a quarter of the picture."""
SEEN = 3
"""Latents that the decoder looks at to draw one: before, itself, after."""
UPSCALE = 2
"""The decoder's pictures are this many times the encoder's size."""


@dataclass(frozen=True)
class VideoVaeConfig:
    """Widths of encoder and decoder at 1/16, 1/8 and 1/4 of the encoder's picture, and residual blocks at each."""

    latent_channels: int = 96
    encoder_widths: tuple[int, int, int] = (144, 128, 112)
    encoder_depths: tuple[int, int, int] = (1, 1, 1)
    decoder_widths: tuple[int, int, int] = (160, 144, 128)
    decoder_depths: tuple[int, int, int] = (1, 2, 4)

    @classmethod
    def from_dict(cls, values: Mapping[str, int | list[int]]) -> "VideoVaeConfig":
        """Read what `dataclasses.asdict` wrote through JSON. Raises: TypeError for unknown keys."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})  # type: ignore[arg-type]


class VideoVae(nn.Module):
    """Encoder and decoder; the principal components and the matrix of motion are buffers, `fit` and `fit_motion` set them."""

    mean: Tensor
    basis: Tensor
    scale: Tensor
    motion: Tensor

    def __init__(self, config: VideoVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(BLOCK_VALUES))
        self.register_buffer("basis", torch.zeros(BLOCK_VALUES, config.latent_channels))
        self.register_buffer("scale", torch.ones(config.latent_channels))
        self.register_buffer("motion", torch.zeros(SEEN * config.latent_channels, BLOCK_VALUES))
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @torch.no_grad()
    def fit(self, mean: Float[Tensor, " p"], basis: Float[Tensor, "p c"], scale: Float[Tensor, " c"]) -> None:
        """Set the projection: block mean, orthonormal components (largest first), standard deviation of each."""
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.scale.copy_(scale)

    @torch.no_grad()
    def fit_motion(self, motion: Float[Tensor, "c3 p"]) -> None:
        """Set what a block moves, linear in the latents before, of and after it."""
        self.motion.copy_(motion)

    def encode(self, pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b c t h16 w16"]:
        """Return latents of about unit size of pixels in [-1, 1]; f is 4 k + 1 (the last frame repeats to fill a group)."""
        return self.read(as_groups(pixels))

    def read(self, groups: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b c t h16 w16"]:
        """Return one latent for every four frames."""
        plain = rearrange(self._components(groups), "b t h w c -> b c t h w")
        pictures = rearrange(groups, "b c (t k) h w -> (b t) (k c) h w", k=TIME_STRIDE)
        return plain + rearrange(self.encoder(pictures).float(), "(b t) c h w -> b c t h w", b=len(groups))

    def bare(self, groups: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b 3 f h w"]:
        """Project and undo it: what the codec would give without its networks."""
        return from_blocks(self._components(groups) * self.scale @ self.basis.T + self.mean)

    def _components(self, groups: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b t h16 w16 c"]:
        return (to_blocks(groups) - self.mean) @ self.basis / self.scale

    def project(self, latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 f h16 w16"]:
        """Undo the projection alone: the plain path, and what the decoder starts from. 4 t frames at the encoder's size."""
        blocks = rearrange(latent, "b c t h w -> b t h w c") * self.scale @ self.basis.T + self.mean
        return from_blocks(blocks)

    def decode(self, latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 f h32 w32"]:
        """Return 4 (t - 1) + 1 frames in about [-1, 1] at twice the encoder's size, all at once."""
        return torch.cat(list(self.decode_stream(latent, chunk=latent.shape[2])), dim=2)

    def decode_stream(
        self, latent: Float[Tensor, "b c t h w"], *, chunk: int = 4
    ) -> Iterator[Float[Tensor, "b 3 f h32 w32"]]:
        """Yield the frames of `decode` a few latents at a time; at its ends a clip is its own neighbour."""
        framed = torch.cat([latent[:, :, :1], latent, latent[:, :, -1:]], dim=2)
        for start in range(0, latent.shape[2], chunk):
            frames = self.draw(framed[:, :, start : start + chunk + 2])
            yield frames[:, :, TIME_STRIDE - 1 :] if start == 0 else frames

    def draw(self, latent: Float[Tensor, "b c t2 h w"]) -> Float[Tensor, "b 3 f h32 w32"]:
        """Draw the four frames of every latent but the first and the last, which are there to be looked at."""
        base = by_latent(self.project(latent))
        told = with_neighbours(rearrange(latent, "b c t h w -> b t c h w"))
        with quick():
            detail, flow = self.decoder(with_neighbours(base).flatten(0, 1), told.flatten(0, 1))
        moved = by_latent(from_blocks(rearrange(told, "b t c h w -> b t h w c") @ self.motion))
        plain, moved, detail, flow = (
            rearrange(each, "n (k s) h w -> (n k) s h w", k=TIME_STRIDE)
            for each in (_enlarged(base[:, 1:-1]), _enlarged(moved), detail.float(), flow.float())
        )
        frames = warp(plain + DETAIL_SIZE * detail, flow) + moved
        return rearrange(frames, "(b f) c h w -> b c f h w", b=len(latent))

    def save(self, path: Path, *, storage: Storage = "as_is") -> None:
        """Write the projection in float32, the rest in half precision, the decoder as `storage` says; replaces at once."""
        tensors = {
            name: value.half() if name.startswith(("encoder.", "decoder.", "motion")) else value
            for name, value in self.state_dict().items()
        }
        metadata = {"format": FORMAT, "config": json.dumps(asdict(self.config))}
        save_tensors(tensors, path, metadata=metadata, storage=storage, prefix="decoder.")

    @classmethod
    def load(cls, path: Path) -> "VideoVae":
        """Read a file of `save`, in float32 and eval mode.

        Raises: WeightsMissing if the file is missing, cut short, of another format, or does not fit its own config.
        """
        with description(path, FORMAT) as metadata:
            config = VideoVaeConfig.from_dict(json.loads(metadata["config"]))
        vae = cls(config)
        fill(vae, load_tensors(path), origin=str(path))
        return vae.eval()


class Encoder(nn.Module):
    """Four frames -> what the projection cannot say of them. Zero at first."""

    def __init__(self, config: VideoVaeConfig) -> None:
        super().__init__()
        low, middle, high = config.encoder_widths
        few, some, many = config.encoder_depths
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(TIME_STRIDE * 3 * FOLD**2, high, 3, padding=1),
            *(Residual(high) for _ in range(many)),
            nn.Conv2d(high, middle, 2, stride=2),
            *(Residual(middle) for _ in range(some)),
            nn.Conv2d(middle, low, 2, stride=2),
            *(Residual(low) for _ in range(few)),
            nn.SiLU(),
            zeroed(nn.Conv2d(low, config.latent_channels, 1)),
        )

    def forward(self, pictures: Float[Tensor, "n k h w"]) -> Float[Tensor, "n c h16 w16"]:
        extra: Tensor = self.layers(pictures.contiguous(memory_format=torch.channels_last))
        return extra


class Decoder(nn.Module):
    """Three latents and their projected frames -> what the projection lost of the middle one, at twice the size, and how it moves.

    The second is a field for each of the four frames: x and y in pixels of that size, on a grid of its eighth. Both zero at first.

    A U-shaped network at 1/4, 1/8 and 1/16 of the projected picture; the latents themselves enter at the bottom.
    """

    def __init__(self, config: VideoVaeConfig) -> None:
        super().__init__()
        low, middle, high = config.decoder_widths
        self.conv_in = nn.Conv2d(SEEN * TIME_STRIDE * 3 * FOLD**2, high, 3, padding=1)
        self.shrink_middle = nn.Conv2d(high, middle, 2, stride=2)
        self.shrink_low = nn.Conv2d(middle, low, 2, stride=2)
        self.latent_in = nn.Conv2d(SEEN * config.latent_channels, low, 1)
        blocks = [
            nn.Sequential(*(Residual(w) for _ in range(n)))
            for w, n in zip(config.decoder_widths, config.decoder_depths, strict=True)
        ]
        self.low, self.middle, self.high = blocks
        self.grow_middle, self.grow_high = Grow(low, middle), Grow(middle, high)
        self.side = FOLD * UPSCALE
        self.conv_out = zeroed(nn.Conv2d(high, TIME_STRIDE * 3 * self.side**2, 3, padding=1))
        self.flow_out = zeroed(nn.Conv2d(high, TIME_STRIDE * 2, 3, padding=1))

    def forward(
        self, base: Float[Tensor, "n k3 h w"], latent: Float[Tensor, "n c3 h16 w16"]
    ) -> tuple[Float[Tensor, "n k h2 w2"], Float[Tensor, "n k2 h4 w4"]]:
        folded = F.pixel_unshuffle(base, FOLD).contiguous(memory_format=torch.channels_last)
        quarter = self.conv_in(folded)
        eighth = self.shrink_middle(F.silu(quarter))
        low = self.low(self.shrink_low(F.silu(eighth)) + self.latent_in(latent))
        middle = self.middle(eighth + self.grow_middle(low))
        high = self.high(quarter + self.grow_high(middle))
        last = F.silu(high)
        return F.pixel_shuffle(self.conv_out(last), self.side), self.flow_out(last)


class Residual(nn.Module):
    """Two convolutions; the second starts at zero, so that no norm is needed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Grow(nn.Module):
    """Twice the height and width: one linear map a pixel, folded out into 2x2."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, 4 * width_out, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return F.pixel_shuffle(self.conv(x), 2)


def as_groups(pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b 3 f4 h w"]:
    """Fill groups of four frames: the first frame stands four times, the last repeats."""
    missing = -(pixels.shape[2] - 1) % TIME_STRIDE
    first, last = pixels[:, :, :1], pixels[:, :, -1:]
    parts = [first.expand(-1, -1, TIME_STRIDE - 1, -1, -1), pixels, last.expand(-1, -1, missing, -1, -1)]
    return torch.cat(parts, dim=2)


def by_latent(frames: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b t k h w"]:
    """Put the four frames of each latent side by side as channels."""
    return rearrange(frames, "b c (t k) h w -> b t (k c) h w", k=TIME_STRIDE)


def with_neighbours(rows: Float[Tensor, "b t2 c h w"]) -> Float[Tensor, "b t c3 h w"]:
    """Join each latent but the first and the last with the one before and the one after."""
    return torch.cat([rows[:, :-2], rows[:, 1:-1], rows[:, 2:]], dim=2)


def to_blocks(groups: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b t h16 w16 p"]:
    """Cut groups of four frames into blocks of 4 x 16 x 16."""
    return rearrange(
        groups, "b c (t k) (h y) (w x) -> b t h w (k y x c)", k=TIME_STRIDE, y=SPACE_STRIDE, x=SPACE_STRIDE
    )  # fmt: skip


def from_blocks(blocks: Float[Tensor, "b t h w p"]) -> Float[Tensor, "b 3 f h16 w16"]:
    """Put blocks back on the grid: 4 frames for every latent, the first one's copies included."""
    return rearrange(
        blocks, "b t h w (k y x c) -> b c (t k) (h y) (w x)", k=TIME_STRIDE, y=SPACE_STRIDE, x=SPACE_STRIDE
    )  # fmt: skip


def _enlarged(frames: Float[Tensor, "b t k h w"]) -> Float[Tensor, "n k h2 w2"]:
    return F.interpolate(frames.flatten(0, 1), scale_factor=UPSCALE, mode="bilinear")


def zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    """Return the layer with zero weights: what it adds starts at nothing."""
    assert conv.bias is not None
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv
