"""The 15 B model's picture codec: Wan 2.2's autoencoder, run by `diffusers`. Encodes first frames; decodes where asked to.

Axes: b batch, c latent channels, f frames, t latent frames, h w height and width (pixels or latents, as the name says).
Latents are normalised per channel: (mean - LATENTS_MEAN) / LATENTS_STD. Source: specs/model.md 3.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import describe_tensors, fill, load_tensors
from happyhorse.model.extras import require

# fmt: off
LATENTS_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
LATENTS_STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on


@dataclass(frozen=True)
class WanVaeConfig:
    """Widths; the defaults are the published model's."""

    base_dim: int = 160
    decoder_base_dim: int = 256
    dim_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    temporal_downsample: tuple[bool, ...] = (False, True, True)


class WanVae(nn.Module):
    """Pixels <-> normalised latents. Computes in the dtype of its weights, returns float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: WanVaeConfig) -> None:
        super().__init__()
        self.net: Any = require("diffusers").AutoencoderKLWan(
            base_dim=config.base_dim,
            decoder_base_dim=config.decoder_base_dim,
            z_dim=len(LATENTS_MEAN),
            dim_mult=list(config.dim_mult),
            num_res_blocks=config.num_res_blocks,
            temperal_downsample=list(config.temporal_downsample),
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
        )
        for name, values in (("mean", LATENTS_MEAN), ("std", LATENTS_STD)):
            self.register_buffer(
                name, torch.tensor(values, device="cpu").view(1, -1, 1, 1, 1), persistent=False
            )

    def encode(self, pixels: Float[Tensor, "b 3 f h w"]) -> Float[Tensor, "b c t h16 w16"]:
        """Return the mean of the posterior, normalised, of pixels in [-1, 1]; f is 4 k + 1."""
        dtype = next(self.net.parameters()).dtype
        posterior = self.net.encode(pixels.to(dtype)).latent_dist
        return (posterior.mode().float() - self.mean) / self.std

    def decode(self, latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b 3 f h16 w16"]:
        """Return 4 (t - 1) + 1 pictures in [-1, 1]."""
        dtype = next(self.net.parameters()).dtype
        return self.net.decode((latent * self.std + self.mean).to(dtype)).sample.float().clamp(-1, 1)

    @classmethod
    def load(
        cls,
        path: Path,
        config: WanVaeConfig | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        values: bool = True,
    ) -> "WanVae":
        """Read a safetensors file, with the names of `diffusers` or of the original .pth; without `values` judge its header alone.

        Raises: WeightsMissing.
        """
        with torch.device("cpu" if values else "meta"):
            vae = cls(config or WanVaeConfig())
        stored = load_tensors(path) if values else describe_tensors(path)
        fill(vae.net, named_for_diffusers(stored), origin=str(path))
        nn.Module.to(vae.net, dtype)  # diffusers' own `to` warns, also where nothing must stay in float32
        return vae.eval()


def named_for_diffusers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under the names of `diffusers`, whichever of the two they have. Raises: WeightsMissing."""
    if "quant_conv.weight" in tensors:
        return dict(tensors)
    return {_renamed(name): tensor for name, tensor in tensors.items()}


_PARTS = {
    "residual.0": "norm1",
    "residual.2": "conv1",
    "residual.3": "norm2",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}
_HALVES = {
    "conv1": "conv_in",
    "head.0": "norm_out",
    "head.2": "conv_out",
    "middle.0": "mid_block.resnets.0",
    "middle.1": "mid_block.attentions.0",
    "middle.2": "mid_block.resnets.1",
}
_OUTER = {"conv1": "quant_conv", "conv2": "post_quant_conv"}


def _renamed(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{kind}"
    half, _, rest = stem.partition(".")
    stage = re.fullmatch(r"(down|up)samples\.(\d+)\.\1samples\.(\d+)\.(.+)", rest)
    if stage:
        direction, number, index, part = stage.groups()
        if part in _PARTS:
            return f"{half}.{direction}_blocks.{number}.resnets.{index}.{_PARTS[part]}.{kind}"
        return f"{half}.{direction}_blocks.{number}.{direction}sampler.{part}.{kind}"
    for old, new in _HALVES.items():
        if rest == old:
            return f"{half}.{new}.{kind}"
        if rest.startswith(f"{old}."):
            part = rest.removeprefix(f"{old}.")
            return f"{half}.{new}.{_PARTS.get(part, part)}.{kind}"
    raise WeightsMissing(f"{name} is no tensor of Wan 2.2's autoencoder")
