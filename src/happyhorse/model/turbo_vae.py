"""TurboVAE: a small decoder for the 15 B model's picture latents, one window of latent frames at a time.

Axes: b batch, c channels, f frames, t latent frames, h w height and width (pixels or latents, as the name says).
Convolutions are not causal, so windows overlap by one latent frame on either side and what the overlap drew is dropped.
Where memory is short, the wide late stages draw a picture in strips, which overlap by as much as these stages see.
Names of modules are those of the published weights. Source: specs/model.md 5.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import describe_tensors, description, fill, load_tensors
from happyhorse.model.strips import in_strips
from happyhorse.model.wan_vae import LATENTS_MEAN, LATENTS_STD
from happyhorse.shapes import TIME_STRIDE

NORM_EPS = 1e-8
SHORTCUT_NORM_EPS = 1e-6
UNFOLD = 2
FORMAT = "happyhorse-turbo-vae-1"
WHOLE_STAGES = 1
"""So many stages draw the whole picture, however many strips there are: they are small."""
Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TurboVaeConfig:
    """Widths from the latent outwards, residual blocks of the middle and of each stage, and the window in latent frames.

    `upsamples[i]` says whether stage i doubles height and width, `temporal[i]` whether it doubles the frames as well.
    """

    widths: tuple[int, ...] = (512, 256, 128, 64)
    middle_blocks: int = 3
    blocks: tuple[int, ...] = (3, 2, 2, 2)
    upsamples: tuple[bool, ...] = (True, True, True, False)
    temporal: tuple[bool, ...] = (True, True, False, False)
    first_window: int = 7
    window: int = 7
    latent_channels: int = 48

    @classmethod
    def from_published(cls, values: Mapping[str, object]) -> "TurboVaeConfig":
        """Read the published JSON, whose lists run from the pixels inwards. Raises: WeightsMissing for another network."""
        fixed = {
            "decoder_causal": False,
            "patch_size": UNFOLD,
            "patch_size_t": 1,
            "scaling_factor": 1.0,
            "use_unpatchify": True,
        }
        for name, only in fixed.items():
            if values.get(name, only) != only:
                raise WeightsMissing(f"TurboVAE with {name} {values[name]!r} is not supported; only {only!r}")
        try:
            widths, blocks, scaling, spatial = (
                list(reversed(_list(values, f"decoder_{name}")))
                for name in (
                    "block_out_channels",
                    "layers_per_block",
                    "spatio_temporal_scaling",
                    "spatio_only",
                )
            )
            if any(_list(values, "decoder_is_dw_conv")):
                raise WeightsMissing("TurboVAE with depthwise convolutions is not supported")
            return cls(
                widths=tuple(widths),
                middle_blocks=blocks[0],
                blocks=tuple(blocks[1:]),
                upsamples=tuple(map(bool, scaling)),
                temporal=tuple(bool(up and not only) for up, only in zip(scaling, spatial, strict=True)),
                first_window=int(str(values["first_chunk_size"])),
                window=int(str(values["step_size"])),
                latent_channels=int(str(values["latent_channels"])),
            )
        except (KeyError, IndexError, TypeError, ValueError) as err:
            raise WeightsMissing(f"the config of TurboVAE cannot be read: {err!r}") from err


def _list(values: Mapping[str, object], name: str) -> list[int]:
    value = values[name]
    if not isinstance(value, list):
        raise TypeError(f"{name} is {value!r}")
    return value


class TurboVae(nn.Module):
    """Normalised latents -> pictures in about [-1, 1]. Computes in the dtype of its weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: TurboVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.decoder = Decoder(config)
        for name, values in (("mean", LATENTS_MEAN), ("std", LATENTS_STD)):
            self.register_buffer(
                name, torch.tensor(values, device="cpu").view(1, -1, 1, 1, 1), persistent=False
            )

    @classmethod
    def load(cls, path: Path, *, dtype: torch.dtype = torch.float32, values: bool = True) -> "TurboVae":
        """Read a file that `weights convert` wrote, which carries its config; without `values` judge its header alone.

        Raises: WeightsMissing.
        """
        with description(path, FORMAT) as metadata:
            config = TurboVaeConfig.from_published(json.loads(metadata["config"]))
        with torch.device("cpu" if values else "meta"):
            vae = cls(config)
        fill(vae, load_tensors(path) if values else describe_tensors(path), origin=str(path))
        vae.decoder.to(dtype)
        return vae.eval()

    def decode(self, latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 f h16 w16"]:
        """Return 4 (t - 1) + 1 pictures, all at once."""
        return torch.cat(list(self.decode_stream(latent)), dim=2)

    def decode_stream(
        self, latent: Float[Tensor, "b c t h w"], *, strips: int = 1
    ) -> Iterator[Float[Tensor, "b 3 f h16 w16"]]:
        """Yield the pictures of `decode` window by window, each drawn in `strips` across its longer side."""
        first, step = self.config.first_window, self.config.window
        missing = max(0, first - latent.shape[2]) or -(latent.shape[2] - first) % step
        latent = torch.cat([latent, latent[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)
        total = latent.shape[2]
        left = TIME_STRIDE * (total - missing - 1) + 1  # pictures still to give
        for start in (0, *range(first, total, step)):
            pictures = self._window(latent, start, strips)
            yield pictures[:, :, :left]
            left -= pictures.shape[2]
            if left <= 0:
                return

    def _window(
        self, latent: Float[Tensor, "b c t h w"], start: int, strips: int
    ) -> Float[Tensor, "b 3 f h16 w16"]:
        """Draw one window with the neighbours it needs, and drop what was drawn for these."""
        size = self.config.window if start else self.config.first_window
        end = min(latent.shape[2], start + size + 1)
        pictures = self.draw(latent[:, :, max(0, start - 1) : end], is_first=start == 0, strips=strips)
        before = TIME_STRIDE if start else 0
        after = TIME_STRIDE if end > start + size else 0
        return pictures[:, :, before : pictures.shape[2] - after]

    def draw(
        self, latent: Float[Tensor, "b c t h w"], *, is_first: bool, strips: int = 1
    ) -> Float[Tensor, "b 3 f h16 w16"]:
        """Draw a run of latent frames: 4 pictures each; with `is_first` the first latent frame gives only one."""
        dtype = self.decoder.conv_in.conv.weight.dtype
        restored = latent.float() * self.std + self.mean
        return self.decoder(restored.to(dtype), is_first=is_first, strips=strips)


class Decoder(nn.Module):
    """Denormalised latents -> pictures; see the module's docstring for where it is called."""

    def __init__(self, config: TurboVaeConfig) -> None:
        super().__init__()
        self.conv_in = Conv3d(config.latent_channels, config.widths[0])
        self.mid_block = Middle(config.widths[0], config.middle_blocks)
        before = (config.widths[0], *config.widths[:-1])
        self.up_blocks = nn.ModuleList(
            Stage(
                before[i], width, config.blocks[i], upsample=config.upsamples[i], temporal=config.temporal[i]
            )
            for i, width in enumerate(config.widths)
        )
        self.conv_out = Conv3d(config.widths[-1], 3 * UNFOLD**2)

    def forward(
        self, x: Float[Tensor, "b c t h w"], *, is_first: bool, strips: int
    ) -> Float[Tensor, "b 3 f h16 w16"]:
        x = self.mid_block(self.conv_in(x))
        for stage in self.up_blocks[:WHOLE_STAGES]:
            x = stage(x, is_first=is_first)
        if strips == 1:
            return self._finish(x, is_first=is_first)
        return in_strips(
            lambda strip: self._finish(strip, is_first=is_first), x, count=strips, reach=self._reach()
        )

    def _reach(self) -> int:
        """Pixels around a strip that the stages which draw it see: one for each convolution, at its size."""
        seen = 1
        for stage in reversed(self.up_blocks[WHOLE_STAGES:]):
            assert isinstance(stage, Stage)
            seen = stage.reach(seen)
        return seen

    def _finish(self, x: Float[Tensor, "b c f h w"], *, is_first: bool) -> Float[Tensor, "b 3 f2 h2 w2"]:
        """The stages that are left, and the pictures."""
        for stage in self.up_blocks[WHOLE_STAGES:]:
            x = stage(x, is_first=is_first)
        x = self.conv_out(F.silu(_norm(x, NORM_EPS)))
        return rearrange(x, "b (c dx dy) f h w -> b c f (h dy) (w dx)", dx=UNFOLD, dy=UNFOLD)


class Middle(nn.Module):
    """Residual blocks at the latent's own size."""

    def __init__(self, width: int, num_blocks: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width, width, F.silu) for _ in range(num_blocks))

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
        for block in self.resnets:
            x = block(x)
        return x


class Stage(nn.Module):
    """A change of width, then of size, then residual blocks. With a change of size these have ReLU in front, as trained."""

    def __init__(self, width_in: int, width: int, num_blocks: int, *, upsample: bool, temporal: bool) -> None:
        super().__init__()
        self.conv_in = Residual(width_in, width, F.silu) if width_in != width else None
        self.upsamplers = nn.ModuleList([Upsampler(width, temporal=temporal)] if upsample else [])
        activation: Activation = F.relu if upsample else F.silu
        self.resnets = nn.ModuleList(Residual(width, width, activation) for _ in range(num_blocks))

    def forward(self, x: Float[Tensor, "b c f h w"], *, is_first: bool) -> Float[Tensor, "b c2 f2 h2 w2"]:
        if self.conv_in is not None:
            x = self.conv_in(x)
        for upsampler in self.upsamplers:
            x = upsampler(x, is_first=is_first)
        for block in self.resnets:
            x = block(x)
        return x

    def reach(self, seen: int) -> int:
        """Pixels of what it is given that decide a pixel at its end together with `seen` pixels around this."""
        seen += 2 * len(self.resnets)
        if len(self.upsamplers):
            seen = math.ceil((seen + 1) / 2)
        return seen + (2 if self.conv_in is not None else 0)


class Upsampler(nn.Module):
    """Twice the frames where temporal, then twice the height and width."""

    def __init__(self, width: int, *, temporal: bool) -> None:
        super().__init__()
        self.time_conv = Conv3d(width, 2 * width, (3, 1, 1)) if temporal else None
        self.resample = nn.Sequential(nn.Identity(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Float[Tensor, "b c f h w"], *, is_first: bool) -> Float[Tensor, "b c f2 h2 w2"]:
        if self.time_conv is not None:
            x = rearrange(self.time_conv(x), "b (k c) f h w -> b c (f k) h w", k=2)
            x = x[:, :, 1:] if is_first else x
        b = x.shape[0]
        frames = rearrange(x, "b c f h w -> (b f) c h w")
        large = F.interpolate(frames, scale_factor=2, mode="nearest")
        return rearrange(self.resample(large), "(b f) c h w -> b c f h w", b=b)


class Residual(nn.Module):
    """Norm, activation, convolution, twice; the input passes a 1x1x1 convolution where the width changes."""

    def __init__(self, width_in: int, width: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.conv1 = Conv3d(width_in, width)
        self.conv2 = Conv3d(width, width)
        self.conv_shortcut = Conv3d(width_in, width, (1, 1, 1)) if width_in != width else None

    def forward(self, x: Float[Tensor, "b c f h w"]) -> Float[Tensor, "b c2 f h w"]:
        y = self.conv1(self.activation(_norm(x, NORM_EPS)))
        y = self.conv2(F.silu(_norm(y, NORM_EPS)))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(_norm(x, SHORTCUT_NORM_EPS))
        return x + y


class Conv3d(nn.Module):
    """A convolution that keeps the size: zeros around the picture, the first and last frame once more around time."""

    def __init__(self, width_in: int, width_out: int, kernel: tuple[int, int, int] = (3, 3, 3)) -> None:
        super().__init__()
        self.reach = kernel[0] // 2
        self.conv = nn.Conv3d(width_in, width_out, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))

    def forward(self, x: Float[Tensor, "b c f h w"]) -> Float[Tensor, "b c2 f h w"]:
        if self.reach:
            x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
        return self.conv(x)


def _norm(x: Float[Tensor, "b c f h w"], eps: float) -> Float[Tensor, "b c f h w"]:
    """Divide by the root mean square over the channels."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + eps)
