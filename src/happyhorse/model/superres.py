"""The super-resolution stage: what goes into it. Its network is a Transformer, its run is `sampler.denoise`.

Axes: b batch, c latent channels, t h w latent frames, height, width, a audio latents. Source: specs/model.md 4.6.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from happyhorse.model.pack import Latents
from happyhorse.model.sampler import Noise, SamplerSettings
from happyhorse.shapes import LatentShape

NOISE_VALUE = 220
AUDIO_NOISE = 0.7
SETTINGS = SamplerSettings(kind="unipc", num_steps=5, shift=5.0)


@lru_cache(maxsize=1)
def alpha_table() -> list[float]:
    """Return the share of signal for each of 1000 noise values, from 0.9996 down to exactly 0.

    A scaled-linear diffusion schedule, shifted and stretched so that its end is pure noise (arXiv:2305.08891).
    """
    beta = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64, device="cpu") ** 2
    signal = (1 - beta).cumprod(0).sqrt().float()
    first, last = signal[0].clone(), signal[-1].clone()
    return ((signal - last) * (first / (first - last))).tolist()


def upsample(video: Float[Tensor, "b c t h w"], *, grid: LatentShape) -> Float[Tensor, "b c t h2 w2"]:
    """Stretch a latent over a larger grid, trilinear with corners aligned. Raises: ValueError if frames differ."""
    if grid.frames != video.shape[2]:
        raise ValueError(
            f"the target has {grid.frames} latent frames, the video {video.shape[2]}; they must agree"
        )
    return F.interpolate(
        video, size=(grid.frames, grid.height, grid.width), mode="trilinear", align_corners=True
    )


def add_noise(
    video: Float[Tensor, "b c t h w"], noise: Float[Tensor, "b c t h w"], *, value: int
) -> Float[Tensor, "b c t h w"]:
    """Mix noise into a clean latent, keeping its variance; value 0 adds almost none, 999 leaves nothing else."""
    signal = alpha_table()[value]
    return signal * video + (1 - signal**2) ** 0.5 * noise


def mix_audio(audio: Float[Tensor, "b a c"], noise: Float[Tensor, "b a c"]) -> Float[Tensor, "b a c"]:
    """Return the sound the stage listens to. It is never decoded: the base audio is."""
    return AUDIO_NOISE * noise + (1 - AUDIO_NOISE) * audio


def prepare(base: Latents, *, grid: LatentShape, noise: Noise) -> Latents:
    """Return what `denoise(..., update_audio=False)` starts from. Noise is asked for the video first, then the audio."""
    large = upsample(base.video.float(), grid=grid)
    return Latents(
        add_noise(large, noise(large), value=NOISE_VALUE), mix_audio(base.audio.float(), noise(base.audio))
    )
