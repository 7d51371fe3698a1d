"""From noise to latents: noise levels, guidance, one solver step at a time, `denoise`. Knows no prompt and no network.

Axes: b batch, c latent channels, t h w latent frames, height, width, a audio latents. A `Velocity` is any function from
the current latents to their velocity (noise - clean); sigma = 1 is noise and x = (1 - sigma) * clean + sigma * noise.
Latents are float32 throughout: bf16 loses small steps near sigma = 0. Source: specs/model.md 4.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from happyhorse.model.pack import Latents

Kind = Literal["euler", "unipc", "renoise"]
Velocity = Callable[[Latents], Latents]
Noise = Callable[[Tensor], Tensor]
"""Returns fresh standard normal noise shaped like its argument."""

FIRST_LEVEL = 0.999  # the published run starts just below pure noise


@dataclass(frozen=True)
class Guidance:
    """How far to go from the unconditional velocity to the conditional one and beyond; 1 is the conditional one.

    From the time 1000 * sigma <= `late_from_t` on, video uses `video_late`. The first `first_frames` latent frames use
    `video_first_frames`. `audio` None leaves the conditional velocity of the sound as it is.
    """

    video: float
    audio: float | None = None
    video_late: float | None = None
    late_from_t: int = 500
    video_first_frames: float | None = None
    first_frames: int = 0


@dataclass(frozen=True)
class SamplerSettings:
    """How to run a network that was trained to be run so; lives in its checkpoint. `shared_noise`: see `video_noise`.

    With `picture_first` a clip from text begins as a single picture, which is then its first frame: pictures are what a network
    knows best, and one row in thirty of a clip. Source: Girdhar et al., Emu Video, arXiv:2311.10709.
    """

    kind: Kind
    num_steps: int
    shift: float
    guidance: Guidance | None = None
    shared_noise: float = 0.0
    picture_first: bool = False


@dataclass(frozen=True)
class Step:
    """What happened in one step: the latents the network saw, their (guided) velocity, and where the solver went."""

    index: int
    num_steps: int
    sigma: float
    seen: Latents
    velocity: Latents
    after: Latents

    @property
    def clean(self) -> Latents:
        """What the clip would be if this velocity were right to the end."""
        video, audio = (
            seen - self.sigma * moving for seen, moving in zip(self.seen, self.velocity, strict=True)
        )
        return Latents(video, audio)


OnStep = Callable[[Step], None]


@runtime_checkable
class Solver(Protocol):
    """Moves one latent from sigma i to sigma i + 1. May remember earlier steps, so each latent has its own."""

    def step(self, index: int, latent: Tensor, velocity: Tensor) -> Tensor: ...


def sigmas_of(num_steps: int, *, shift: float) -> list[float]:
    """Return num_steps + 1 falling noise levels; the last is 0. Rounded to float32, as the published run uses them.

    `shift` > 1 spends more of the steps near noise. Raises: ValueError for no steps.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}; it must be at least 1")
    levels = FIRST_LEVEL * (1 - torch.arange(num_steps + 1, dtype=torch.float64) / num_steps)
    return (shift * levels / (1 + (shift - 1) * levels)).float().tolist()


def timestep_of(sigma: float) -> int:
    """Return the integer time that the guidance switch compares."""
    return int(1000 * sigma)


def gaussian(generator: torch.Generator | None, *, shared: float = 0.0) -> Noise:
    """Return a noise source drawing from `generator`, or from torch's global one; frames of a video share noise as in `video_noise`."""

    def draw(like: Tensor) -> Tensor:
        if shared and like.ndim == 5:
            return video_noise(tuple(like.shape), shared=shared, generator=generator).to(like.device)
        return torch.randn(like.shape, generator=generator, dtype=torch.float32, device=like.device)

    return draw


def video_noise(
    shape: tuple[int, ...], *, shared: float, generator: torch.Generator | None
) -> Float[Tensor, "b c t h w"]:
    """Draw standard normal noise of shape (b, c, t, h, w), of whose variance the share `shared` is the same in all frames.

    Frames that start alike end alike: who is there and where is decided once. Source: Ge et al., arXiv:2305.10474.
    """
    device = generator.device if generator else None
    alone = torch.randn(shape, generator=generator, device=device)
    if not shared:
        return alone
    same = torch.randn((*shape[:2], 1, *shape[3:]), generator=generator, device=device)
    return math.sqrt(shared) * same + math.sqrt(1 - shared) * alone


def with_first_frame(
    video: Float[Tensor, "b c t h w"], first_frame: Float[Tensor, "b c 1 h w"] | None
) -> Float[Tensor, "b c t h w"]:
    """Return the video with latent frame 0 replaced by a clean one, if there is one."""
    return video if first_frame is None else torch.cat([first_frame.to(video), video[:, :, 1:]], dim=2)


def guide(conditional: Latents, unconditional: Latents, *, guidance: Guidance, sigma: float) -> Latents:
    """Combine the velocities of two passes over the same latents."""
    strength = guidance.video
    if guidance.video_late is not None and timestep_of(sigma) <= guidance.late_from_t:
        strength = guidance.video_late
    scale = torch.full_like(conditional.video[:1, :1, :, :1, :1], strength)
    if guidance.video_first_frames is not None:
        scale[:, :, : guidance.first_frames] = guidance.video_first_frames
    video = unconditional.video + scale * (conditional.video - unconditional.video)
    if guidance.audio is None:
        return Latents(video, conditional.audio)
    return Latents(video, unconditional.audio + guidance.audio * (conditional.audio - unconditional.audio))


def euler_step(
    latent: Float[Tensor, "b c *grid"],
    velocity: Float[Tensor, "b c *grid"],
    *,
    sigma: float,
    sigma_next: float,
) -> Float[Tensor, "b c *grid"]:
    """Move noisy latents from sigma to sigma_next along the flow, first order.

    Raises: ValueError if sigma_next >= sigma. Source: rectified flow, arXiv:2209.03003.
    """
    if sigma_next >= sigma:
        raise ValueError(f"sigma must fall; got {sigma} to {sigma_next}")
    return latent + (sigma_next - sigma) * velocity


class Euler:
    """First order, no memory."""

    def __init__(self, sigmas: list[float]) -> None:
        self.sigmas = sigmas

    def step(self, index: int, latent: Tensor, velocity: Tensor) -> Tensor:
        return euler_step(latent, velocity, sigma=self.sigmas[index], sigma_next=self.sigmas[index + 1])


class Renoise:
    """Steps of the distilled model and of nano: go to the clean estimate, then back to the next level with fresh noise."""

    def __init__(self, sigmas: list[float], noise: Noise) -> None:
        self.sigmas = sigmas
        self.noise = noise

    def step(self, index: int, latent: Tensor, velocity: Tensor) -> Tensor:
        clean = latent - self.sigmas[index] * velocity
        after = self.sigmas[index + 1]
        return after * self.noise(clean) + (1 - after) * clean


class UniPC:
    """Multistep predictor-corrector on clean estimates, order 2, "bh2". Source: arXiv:2302.04867; specs/model.md 4.3.

    Each call first corrects where the last predictor went, using the estimate made there, then predicts onwards. `lam`
    is half the log signal-to-noise ratio, in which the solver's steps are measured.
    """

    def __init__(self, sigmas: list[float]) -> None:
        self.sigmas = sigmas
        self.lam = [math.log((1 - s) / s) if s > 0 else math.inf for s in sigmas]
        self.clean: list[Tensor] = []  # estimates of the last two steps, newest last
        self.start: Tensor | None = None  # where the last predictor started
        self.order = 0  # of the last predictor

    def step(self, index: int, latent: Tensor, velocity: Tensor) -> Tensor:
        clean = latent - self.sigmas[index] * velocity
        if self.start is not None:
            latent = self._correct(index, self.start, clean)
        self.order = min(2, len(self.sigmas) - 1 - index, index + 1)
        self.clean = [*self.clean[-1:], clean]
        self.start = latent
        return self._predict(index, latent)

    def _predict(self, index: int, latent: Tensor) -> Tensor:
        h = self.lam[index + 1] - self.lam[index]
        reach = (1 - self.sigmas[index + 1]) * math.expm1(-h)
        moved = self.sigmas[index + 1] / self.sigmas[index] * latent - reach * self.clean[-1]
        if self.order == 1:
            return moved
        r = (self.lam[index - 1] - self.lam[index]) / h
        return moved - reach / (2 * r) * (self.clean[-2] - self.clean[-1])

    def _correct(self, index: int, start: Tensor, clean: Tensor) -> Tensor:
        h = self.lam[index] - self.lam[index - 1]
        e = math.expm1(-h)
        reach = (1 - self.sigmas[index]) * e
        moved = self.sigmas[index] / self.sigmas[index - 1] * start - reach * self.clean[-1]
        change = clean - self.clean[-1]
        if self.order == 1:
            return moved - reach / 2 * change
        r = (self.lam[index - 2] - self.lam[index - 1]) / h
        first = e / -h - 1
        b1, b2 = first / e, 2 * (first / -h - 0.5) / e
        c1 = (b1 - b2) / (1 - r)
        slope = (self.clean[-2] - self.clean[-1]) / r
        return moved - reach * (c1 * slope + (b1 - c1) * change)


def denoise_steps(
    velocity: Velocity,
    start: Latents,
    *,
    settings: SamplerSettings,
    unconditional: Velocity | None = None,
    first_frame: Float[Tensor, "b c 1 h w"] | None = None,
    update_audio: bool = True,
    noise: Noise | None = None,
    first_step: int = 0,
) -> Iterator[Step]:
    """Yield each step of `denoise` as it is taken. Stop iterating to cancel.

    With a `first_step`, `start` is latents that hold as much noise as that step's sigma says.
    """
    if (settings.guidance is None) != (unconditional is None):
        raise ValueError("guidance and an unconditional velocity come together or not at all")
    sigmas = sigmas_of(settings.num_steps, shift=settings.shift)[first_step:]
    noise = noise or gaussian(None, shared=settings.shared_noise)
    for_video, for_audio = (_solver(settings.kind, sigmas, noise) for _ in range(2))
    video, audio = start.video.float(), start.audio.float()
    for index in range(len(sigmas) - 1):
        seen = Latents(with_first_frame(video, first_frame), audio)
        moving = velocity(seen)
        if settings.guidance is not None and unconditional is not None:
            moving = guide(moving, unconditional(seen), guidance=settings.guidance, sigma=sigmas[index])
        video = for_video.step(index, seen.video, moving.video.float())
        if update_audio:
            audio = for_audio.step(index, seen.audio, moving.audio.float())
        number = first_step + index
        yield Step(number, settings.num_steps, sigmas[index], seen, moving, Latents(video, audio))


def denoise(
    velocity: Velocity,
    start: Latents,
    *,
    settings: SamplerSettings,
    unconditional: Velocity | None = None,
    first_frame: Float[Tensor, "b c 1 h w"] | None = None,
    update_audio: bool = True,
    noise: Noise | None = None,
    on_step: OnStep | None = None,
) -> Latents:
    """Run a network from noise to clean latents.

    Args:
        velocity, unconditional: the network with and without the prompt; the latter only with guidance.
        start: standard normal noise; with `update_audio` False its audio is a clean track that stays as it is.
        first_frame: clean latent frame 0, written in before every call and at the end.
        noise: fresh noise for "renoise", asked for the video first, then the audio; default: torch's generator.
        on_step: called after each step; raise in it to cancel.
    """
    steps = denoise_steps(
        velocity,
        start,
        settings=settings,
        unconditional=unconditional,
        first_frame=first_frame,
        update_audio=update_audio,
        noise=noise,
    )
    after = start
    for step in steps:
        after = step.after
        if on_step is not None:
            on_step(step)
    return Latents(with_first_frame(after.video, first_frame), after.audio)


def _solver(kind: Kind, sigmas: list[float], noise: Noise) -> Solver:
    if kind == "euler":
        return Euler(sigmas)
    return UniPC(sigmas) if kind == "unipc" else Renoise(sigmas, noise)
