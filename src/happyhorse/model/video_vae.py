"""nano's video codec: pixels <-> latents of 64 channels on a 4x16x16 grid.

Axes: b batch, c channels, f frames, t latent frames, h w height and width (pixels or latents, as the name says).

The encoder is not learned: one latent is a block of 4 frames x 16 x 16 pixels, projected onto the principal components of
the world's blocks and whitened. Such latents are ordered from coarse to fine, which suits diffusion, and they never change,
so the transformer can train while the decoder still improves. The first frame fills its group of four alone, so a single
picture is a clip of one latent. The decoder undoes the projection, then a network sharpens that picture and draws it at
twice the size. Each latent is drawn by itself, so decoding is a stream.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.checkpoint import description, fill, load_tensors, save_tensors
from happyhorse.shapes import SPACE_STRIDE, TIME_STRIDE

FORMAT = "happyhorse-video-vae-1"
BLOCK_VALUES = TIME_STRIDE * SPACE_STRIDE * SPACE_STRIDE * 3
DETAIL_SIZE = 0.05
"""What the decoder adds is about this large, so that its weights and steps can have the usual size."""
UPSCALE = 2
"""The decoder's pictures are this many times the encoder's size."""


@dataclass(frozen=True)
class VideoVaeConfig:
    """Widths of the decoder at 1/16, 1/8 and 1/4 of the encoder's picture, and residual blocks at each."""

    latent_channels: int = 64
    widths: tuple[int, int, int] = (160, 144, 128)
    depths: tuple[int, int, int] = (1, 2, 4)


class VideoVae(nn.Module):
    """Encoder and decoder; the principal components are buffers, `fit` sets them."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, config: VideoVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(BLOCK_VALUES))
        self.register_buffer("basis", torch.zeros(BLOCK_VALUES, config.latent_channels))
        self.register_buffer("scale", torch.ones(config.latent_channels))
        self.decoder = Decoder(config)

    @torch.no_grad()
    def fit(self, mean: Float[Tensor, " p"], basis: Float[Tensor, "p c"], scale: Float[Tensor, " c"]) -> None:
        """Set the projection: block mean, orthonormal components (largest first), standard deviation of each."""
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.scale.copy_(scale)

    def encode(self, pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b c t h16 w16"]:
        """Return standardised latents of pixels in [-1, 1]; f is 4 k + 1 (the last frame repeats to fill a group)."""
        blocks = to_blocks(pixels)  # (b, t, h, w, p)
        latent = (blocks - self.mean) @ self.basis / self.scale
        return rearrange(latent, "b t h w c -> b c t h w")

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
        """Yield the frames of `decode` a few latents at a time."""
        for start in range(0, latent.shape[2], chunk):
            frames = self.draw(latent[:, :, start : start + chunk])
            yield frames[:, :, TIME_STRIDE - 1 :] if start == 0 else frames

    def save(self, path: Path) -> None:
        """Write the encoder in float32, since latents must never change, and the decoder in half precision; replaces at once."""
        tensors = {
            name: value.half() if name.startswith("decoder.") else value
            for name, value in self.state_dict().items()
        }
        save_tensors(tensors, path, metadata={"format": FORMAT, "config": json.dumps(asdict(self.config))})

    @classmethod
    def load(cls, path: Path) -> "VideoVae":
        """Read a file of `save`, in float32 and eval mode.

        Raises: WeightsMissing if the file is missing, cut short, of another format, or does not fit its own config.
        """
        with description(path, FORMAT) as metadata:
            values = json.loads(metadata["config"])
            config = VideoVaeConfig(
                values["latent_channels"], tuple(values["widths"]), tuple(values["depths"])
            )
        vae = cls(config)
        fill(vae, load_tensors(path), origin=str(path))
        return vae.eval()

    def draw(self, latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 f h32 w32"]:
        """Draw the four frames of every latent."""
        b, _, t = latent.shape[:3]
        base = rearrange(self.project(latent), "b c (t k) h w -> (b t) (k c) h w", k=TIME_STRIDE)
        detail = self.decoder(base, rearrange(latent, "b c t h w -> (b t) c h w"))
        frames = F.interpolate(base, scale_factor=UPSCALE, mode="bilinear") + DETAIL_SIZE * detail.float()
        return rearrange(frames, "(b t) (k c) h w -> b c (t k) h w", b=b, t=t, k=TIME_STRIDE)


class Decoder(nn.Module):
    """Four projected frames and their latent -> what the projection lost, at twice the size. Zero at first.

    A U-shaped network at 1/4, 1/8 and 1/16 of the projected picture; the latent itself enters at the bottom.
    """

    def __init__(self, config: VideoVaeConfig) -> None:
        super().__init__()
        low, middle, high = config.widths
        self.fold = 4
        self.conv_in = nn.Conv2d(TIME_STRIDE * 3 * self.fold**2, high, 3, padding=1)
        self.shrink_middle = nn.Conv2d(high, middle, 2, stride=2)
        self.shrink_low = nn.Conv2d(middle, low, 2, stride=2)
        self.latent_in = nn.Conv2d(config.latent_channels, low, 1)
        blocks = [
            nn.Sequential(*(Residual(w) for _ in range(n)))
            for w, n in zip(config.widths, config.depths, strict=True)
        ]
        self.low, self.middle, self.high = blocks
        self.grow_middle, self.grow_high = Grow(low, middle), Grow(middle, high)
        self.side = self.fold * UPSCALE
        self.conv_out = nn.Conv2d(high, TIME_STRIDE * 3 * self.side**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(_bias(self.conv_out))

    def forward(
        self, base: Float[Tensor, "n k h w"], latent: Float[Tensor, "n c h16 w16"]
    ) -> Float[Tensor, "n k h2 w2"]:
        folded = F.pixel_unshuffle(base, self.fold).contiguous(memory_format=torch.channels_last)
        quarter = self.conv_in(folded)
        eighth = self.shrink_middle(F.silu(quarter))
        low = self.low(self.shrink_low(F.silu(eighth)) + self.latent_in(latent))
        middle = self.middle(eighth + self.grow_middle(low))
        high = self.high(quarter + self.grow_high(middle))
        return F.pixel_shuffle(self.conv_out(F.silu(high)), self.side)


class Residual(nn.Module):
    """Two convolutions; the second starts at zero, so that no norm is needed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(_bias(self.conv2))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Grow(nn.Module):
    """Twice the height and width: one linear map a pixel, folded out into 2x2."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, 4 * width_out, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return F.pixel_shuffle(self.conv(x), 2)


def to_blocks(pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b t h16 w16 p"]:
    """Cut pixels into blocks of 4 x 16 x 16; the first frame stands four times, the last repeats to fill its group."""
    missing = -(pixels.shape[2] - 1) % TIME_STRIDE
    first, last = pixels[:, :, :1], pixels[:, :, -1:]
    pixels = torch.cat(
        [first.expand(-1, -1, TIME_STRIDE - 1, -1, -1), pixels, last.expand(-1, -1, missing, -1, -1)], dim=2
    )
    return rearrange(
        pixels, "b c (t k) (h y) (w x) -> b t h w (k y x c)", k=TIME_STRIDE, y=SPACE_STRIDE, x=SPACE_STRIDE
    )  # fmt: skip


def from_blocks(blocks: Float[Tensor, "b t h w p"]) -> Float[Tensor, "b 3 f h16 w16"]:
    """Put blocks back on the grid: 4 frames for every latent, the first one's copies included."""
    return rearrange(
        blocks, "b t h w (k y x c) -> b c (t k) (h y) (w x)", k=TIME_STRIDE, y=SPACE_STRIDE, x=SPACE_STRIDE
    )  # fmt: skip


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
