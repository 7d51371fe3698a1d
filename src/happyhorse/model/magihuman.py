"""One clip of the 15 B model, from conditions to latents: the base pass, the refining pass, the sound.

Axes: b batch (always 1), c channels, t h w latent frames, height, width, a audio latents, n prompt rows, k sound channels,
s samples. Noise comes from one generator in the published order: sound, then picture. Source: specs/model.md 3, 4.
"""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from happyhorse.model import superres
from happyhorse.model.graphs import StepGraph, record_on_gpu
from happyhorse.model.oobleck import Oobleck, resample
from happyhorse.model.pack import Latents, pack
from happyhorse.model.sampler import Noise, OnStep, SamplerSettings, Velocity, denoise
from happyhorse.model.transformer import Transformer
from happyhorse.shapes import SAMPLES_PER_AUDIO_LATENT, LatentShape


@dataclass(frozen=True)
class Conditions:
    """What a clip is made from. `voice` are clean audio latents that stay as they are; `null_text` is for guidance."""

    text: Float[Tensor, "1 n c"]
    null_text: Float[Tensor, "1 n2 c"] | None = None
    first_frame: Float[Tensor, "1 cl 1 h w"] | None = None
    voice: Float[Tensor, "1 a ca"] | None = None


def make_base(
    model: Transformer,
    settings: SamplerSettings,
    conditions: Conditions,
    *,
    grid: LatentShape,
    num_audio: int,
    noise: Noise,
    on_step: OnStep | None = None,
) -> Latents:
    """Run the base or the distilled network.

    The distilled network keeps a given voice clean as well, unlike the published script, which draws a new one.
    """
    like = conditions.text
    audio = conditions.voice
    if audio is None:
        audio = noise(like.new_empty(1, num_audio, model.config.audio_channels))
    video = noise(like.new_empty(1, model.config.latent_channels, grid.frames, grid.height, grid.width))
    unconditional = None
    if settings.guidance is not None:
        assert conditions.null_text is not None
        unconditional = _velocity(model, conditions.null_text)
    return denoise(
        _velocity(model, conditions.text, recorded=unconditional is None),
        Latents(video, audio),
        settings=settings,
        unconditional=unconditional,
        first_frame=conditions.first_frame,
        update_audio=conditions.voice is None,
        noise=noise,
        on_step=on_step,
    )


def refine(
    model: Transformer,
    settings: SamplerSettings,
    base: Latents,
    conditions: Conditions,
    *,
    grid: LatentShape,
    noise: Noise,
    on_step: OnStep | None = None,
) -> Float[Tensor, "1 c t h w"]:
    """Return the base pass's picture at a larger grid; `conditions.first_frame` is the first frame encoded at that size.

    The sound is only listened to: the clip keeps the base pass's.
    """
    refined = denoise(
        _velocity(model, conditions.text, recorded=True),
        superres.prepare(base, grid=grid, noise=noise),
        settings=replace(settings, guidance=None),
        first_frame=conditions.first_frame,
        update_audio=False,
        noise=noise,
        on_step=on_step,
    )
    return refined.video


def sound_of(codec: Oobleck, latents: Float[Tensor, "1 a ca"]) -> Float[Tensor, "k s"]:
    """Return stereo at 48 kHz. The published files have 44.1 kHz of the same spectrum, cut off lower."""
    waveform = codec.decode(latents)[0]
    return resample(waveform, latents.shape[1] * SAMPLES_PER_AUDIO_LATENT)


def _velocity(model: Transformer, text: Float[Tensor, "1 n c"], *, recorded: bool = False) -> Velocity:
    """Run a network on one text. One of two that take turns is not recorded: each would hold memory of its own."""
    run = StepGraph(model, record_on_gpu) if recorded and model.recorded else model
    return lambda now: run(pack(model.config, video=now.video, audio=now.audio, text=text))
