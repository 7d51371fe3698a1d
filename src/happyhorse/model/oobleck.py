"""The 15 B model's sound codec: the Oobleck autoencoder of Stable Audio Open 1.0, run by `diffusers` in float32.

Axes: b batch, k sound channels (2), s samples, a audio latents, c latent channels (64).
Training took its sound as if sampled at 51,200 Hz, which makes exactly 25 latents of 2048 samples a second; so samples
here are at LATENT_RATE_HZ and are resampled from and to what a file holds. Source: specs/model.md 3.4.
"""

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import describe_tensors, fill, load_tensors
from happyhorse.model.extras import require
from happyhorse.shapes import AUDIO_LATENT_RATE

SAMPLES_PER_LATENT = 2048
LATENT_RATE_HZ = SAMPLES_PER_LATENT * AUDIO_LATENT_RATE
WINDOW_S = 29.0
PREFIX = "pretransform.model."


@dataclass(frozen=True)
class OobleckConfig:
    """Widths and strides; the defaults are the published model's."""

    width: int = 128
    multiples: tuple[int, ...] = (1, 2, 4, 8, 16)
    strides: tuple[int, ...] = (2, 4, 4, 8, 8)
    latent_channels: int = 64

    @classmethod
    def from_published(cls, values: Mapping[str, object]) -> "OobleckConfig":
        """Read `model_config.json`, whole or the autoencoder's own part. Raises: WeightsMissing."""
        try:
            found: object = values["model"]
            if isinstance(found, dict) and "pretransform" in found:
                found = found["pretransform"]["config"]
            assert isinstance(found, dict)
            decoder = found["decoder"]["config"]
            return cls(
                int(decoder["channels"]),
                tuple(decoder["c_mults"]),
                tuple(decoder["strides"]),
                int(decoder["latent_dim"]),
            )
        except (AssertionError, KeyError, TypeError) as err:
            raise WeightsMissing(f"the config of the audio autoencoder cannot be read: {err!r}") from err


class Oobleck(nn.Module):
    """Stereo waveform at LATENT_RATE_HZ <-> latents, 25 a second, neither scaled nor normalised."""

    def __init__(self, config: OobleckConfig) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's, of a way that diffusers builds layers
            self.net: Any = require("diffusers").AutoencoderOobleck(
                encoder_hidden_size=config.width,
                downsampling_ratios=list(config.strides),
                channel_multiples=list(config.multiples),
                decoder_channels=config.width,
                decoder_input_channels=config.latent_channels,
            )
        last: nn.Conv1d = self.net.encoder.conv2
        wide = 2 * config.latent_channels
        if (
            last.out_channels != wide
        ):  # diffusers makes it as wide as the first layer, as it is in the published model
            shapes = {"bias": (wide,), "weight_g": (wide, 1, 1), "weight_v": (wide, *last.weight.shape[1:])}
            for name, shape in shapes.items():
                setattr(last, name, nn.Parameter(torch.zeros(shape)))

    @classmethod
    def load(cls, path: Path, config: OobleckConfig | None = None, *, values: bool = True) -> "Oobleck":
        """Read a safetensors file: Stable Audio's whole model, or the autoencoder alone under either naming.

        A `model_config.json` beside it gives the sizes. Without `values` its header is judged alone. Raises: WeightsMissing.
        """
        beside = path.with_name("model_config.json")
        if config is None and beside.is_file():
            try:
                config = OobleckConfig.from_published(json.loads(beside.read_text(encoding="utf-8")))
            except ValueError as err:
                raise WeightsMissing(f"{beside} is not JSON: {err}") from err
            except WeightsMissing as err:
                raise WeightsMissing(f"{beside}: {err.message}") from err
        with torch.device("cpu" if values else "meta"):
            vae = cls(config or OobleckConfig())
        stored = load_tensors(path) if values else describe_tensors(path)
        fill(vae.net, named_for_diffusers(stored), origin=str(path))
        return vae.eval()

    def decode(self, latents: Float[Tensor, "b a c"]) -> Float[Tensor, "b k s"]:
        """Return 2048 samples a latent."""
        return self.net.decode(latents.float().transpose(1, 2)).sample

    def posterior(
        self, waveform: Float[Tensor, "b k s"]
    ) -> tuple[Float[Tensor, "b a c"], Float[Tensor, "b a c"]]:
        """Return mean and standard deviation of the latents."""
        found = self.net.encode(waveform.float()).latent_dist
        return found.mean.transpose(1, 2), found.std.transpose(1, 2)

    def encode(
        self, waveform: Float[Tensor, "b k s"], *, noise: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b a c"]:
        """Return a sample of the latents, ceil(s / 2048) of them; more than 29 s in windows that overlap by half."""
        wanted = -(-waveform.shape[2] // SAMPLES_PER_LATENT)
        window = SAMPLES_PER_LATENT * min(wanted, round(WINDOW_S * AUDIO_LATENT_RATE))
        chunks = []
        for start in range(0, max(1, waveform.shape[2] - window // 2), window // 2):
            piece = waveform[:, :, start : start + window]
            mean, std = self.posterior(nn.functional.pad(piece, (0, window - piece.shape[2])))
            chunks.append(mean + std * noise(mean))
        return merge_windows(chunks)[:, :wanted]


def merge_windows(chunks: Sequence[Float[Tensor, "b n c"]]) -> Float[Tensor, "b m c"]:
    """Join equally long runs of latents, each beginning halfway through the one before; the halves fade linearly."""
    merged = chunks[0]
    for chunk in chunks[1:]:
        overlap = chunk.shape[1] // 2
        rising = (torch.arange(overlap, device=chunk.device) / overlap)[:, None]
        faded = merged[:, -overlap:] * (1 - rising) + chunk[:, :overlap] * rising
        merged = torch.cat([merged[:, :-overlap], faded, chunk[:, overlap:]], dim=1)
    return merged


def resample(waveform: Float[Tensor, "*b s"], num_samples: int) -> Float[Tensor, "*b s2"]:
    """Bring a waveform to another number of samples by its spectrum, as scipy.signal.resample does."""
    old = waveform.shape[-1]
    spectrum = torch.fft.rfft(waveform.float())
    kept = min(old, num_samples)
    spectrum = spectrum[..., : kept // 2 + 1].clone()
    if kept % 2 == 0 and old != num_samples:  # the bin both sides of the spectrum share
        spectrum[..., -1] *= 2.0 if num_samples < old else 0.5
    return torch.fft.irfft(spectrum, n=num_samples) * (num_samples / old)


_RESIDUAL = {"0": "snake1", "1": "conv1", "2": "snake2", "3": "conv2"}
_OUTER = {"0": "conv1", "6": "snake1", "7": "conv2"}
_BLOCKS = {
    "encoder": {"0": "res_unit1", "1": "res_unit2", "2": "res_unit3", "3": "snake1", "4": "conv1"},
    "decoder": {"0": "snake1", "1": "conv_t1", "2": "res_unit1", "3": "res_unit2", "4": "res_unit3"},
}


def named_for_diffusers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the autoencoder's tensors under the names of `diffusers`, whichever they have. Raises: WeightsMissing."""
    if any(name.startswith(PREFIX) for name in tensors):
        tensors = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    if any(name.startswith("encoder.block.") for name in tensors):
        return dict(tensors)
    return {
        _renamed(name): tensor.view(1, -1, 1) if name.endswith(("alpha", "beta")) else tensor
        for name, tensor in tensors.items()
    }


def _renamed(name: str) -> str:
    found = re.fullmatch(r"(encoder|decoder)\.((?:layers\.\d+\.)+)(\w+)", name)
    numbers = re.findall(r"\d+", found[2]) if found else []
    try:
        assert found
        half, outer, inner = found[1], numbers[0], numbers[1:]
        if not inner:
            return f"{half}.{_OUTER[outer]}.{found[3]}"
        parts = [
            half,
            "block",
            str(int(outer) - 1),
            _BLOCKS[half][inner[0]],
            *(_RESIDUAL[n] for n in inner[1:]),
        ]
        return ".".join([*parts, found[3]])
    except (AssertionError, KeyError) as err:
        raise WeightsMissing(f"{name} is no tensor of the audio autoencoder") from err
