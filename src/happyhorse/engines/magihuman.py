"""MagiHumanEngine: plans become clips by the open 15 B weights, stage by stage.

prompt -> T5Gemma; first frame -> Wan 2.2's encoder; voice -> Oobleck; base or distilled network -> a take;
super-resolution -> a larger take; then TurboVAE window by window -> file. Each part is on the device while its stage runs,
or stays, as the memory plan has it. A take of the base pass holds the prompt's features too, so that a draft can be refined
later; a refined one holds what is left to be drawn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.engines.base import Capabilities, OnProgress
from happyhorse.engines.passes import Refine
from happyhorse.engines.plan import Plan
from happyhorse.engines.progress import Reporter
from happyhorse.engines.prompt_length import what_is_lost
from happyhorse.engines.rewrite import Rewriter, Written, write_out
from happyhorse.engines.take import Take
from happyhorse.errors import OutOfMemory
from happyhorse.media.picture import watermark
from happyhorse.media.read import decode_audio, decode_image
from happyhorse.media.write import encode
from happyhorse.model import pictures
from happyhorse.model.ahead import on_host
from happyhorse.model.magihuman import Conditions, make_base, refine, sound_of
from happyhorse.model.oobleck import LATENT_RATE_HZ, Oobleck
from happyhorse.model.pack import Latents
from happyhorse.model.parts import Parts
from happyhorse.model.release import Network
from happyhorse.model.sampler import gaussian
from happyhorse.model.t5gemma import MAX_ROWS, PromptEncoder
from happyhorse.model.transformer import Transformer
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.model.wan_vae import WanVae
from happyhorse.request import Output
from happyhorse.shapes import AUDIO_LATENT_RATE, LatentShape

TEXT_ENCODER, WAN_VAE, AUDIO_VAE, TURBO_VAE = "text_encoder", "wan_vae", "audio_vae", "turbo_vae"
_SHARES = {"prepare": 0.1, "base": 0.2, "refine": 0.4, "decode": 0.28, "finish": 0.02}
_DRAFT_SHARES = {"prepare": 0.2, "base": 0.5, "decode": 0.28, "finish": 0.02}
# Notes of a take: how its prompt was written, what of it was not read, how the network of each pass was kept and computed.
_PROMPT, _CUT, _WEIGHTS, _REFINER = _SAID = ("prompt", "cut", "weights", "refiner")
_NOTES_TAG = "engine_notes"
_log = logging.getLogger("happyhorse.magihuman")


Result = TypeVar("Result")


class Arrange(Protocol):
    """Arranges the parts on the device so that a plan's clip fits; leaner than before when that `failed`, with the words why.

    Raises: OutOfMemory with figures.
    """

    def __call__(self, plan: Plan, *, failed: str | None = None) -> Parts: ...


@dataclass(frozen=True)
class Release:
    """The weights of the engine: how each network is run, its parts, and `digest(names)`, one hash that names some of them."""

    networks: Mapping[str, Network]
    arrange: Arrange
    digest: Callable[[Iterable[str]], str]
    device: torch.device


class MagiHumanEngine:
    """Runs plans of `magihuman` or `magihuman-base`; a `rewriter` puts prompts into the network's form."""

    def __init__(
        self, capabilities: Capabilities, release: Release, *, rewriter: Rewriter | None = None
    ) -> None:
        self._always = (network_of(capabilities), TEXT_ENCODER, AUDIO_VAE, TURBO_VAE)
        self._capabilities = replace(capabilities, weights_hash=release.digest(self._always))
        self.release, self.rewriter = release, rewriter

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def network(self) -> str:
        """The network of the base pass."""
        return network_of(self._capabilities)

    def denoise(self, plan: Plan, *, on_progress: OnProgress) -> Take:
        """Stages prepare and base. Raises: what on_progress raises; MediaError for an input; WeightsMissing; OutOfMemory."""
        reporter = _reporter(plan, on_progress)
        reporter.say("prepare", 0, 1)
        written = write_out(plan.prompt, lines=plan.lines, rewriter=self.rewriter)
        latents, said = self._run(plan, lambda parts: self._base(plan, parts, written, reporter))
        notes = {name: note for name, note in {_PROMPT: written.note, **said}.items() if note}
        return Take(plan.engine, self._capabilities.weights_hash, latents, notes)

    def refine(self, plan: Plan, take: Take, *, on_progress: OnProgress) -> Take:
        """Stage refine; a draft's take as it is. Raises: as denoise; EngineError for a take of other weights or size."""
        second = plan.refine
        if second is None:
            return take
        self._check(take, plan.latent)
        reporter = _reporter(plan, on_progress)
        video, note = self._run(plan, lambda parts: self._refined(plan, second, parts, take, reporter))
        notes = {**take.notes, _REFINER: note} if note else take.notes
        return replace(take, latents={"video": video, "audio": take.latents["audio"]}, notes=notes)

    def render(self, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
        """Stages decode and finish. Raises: as refine."""
        self._check(take, plan.refine.latent if plan.refine else plan.latent)
        reporter = _reporter(plan, on_progress)
        self._run(plan, lambda parts: self._write(plan, parts, take, output, reporter))
        reporter.say("finish", 1, 1)
        return plan.output(output, weights_hash=self._weights_of(plan), notes=_said(take))

    def _check(self, take: Take, grid: LatentShape | None) -> None:
        """Raises: EngineError for a take of other weights, or of another size than the plan has at this stage."""
        take.check(engine=self.capabilities.engine, weights_hash=self.capabilities.weights_hash)
        assert grid is not None
        take.check_grid(grid)

    def _weights_of(self, plan: Plan) -> str:
        """Name all weights of a clip. A take is named by those that every clip needs: what refines it may be fetched later."""
        second = (plan.refine.network,) if plan.refine else ()
        first_frame = (WAN_VAE,) if plan.image else ()
        return self.release.digest((*self._always, *second, *first_frame))

    def _run(self, plan: Plan, work: Callable[[Parts], Result]) -> Result:
        """Do one part of a clip; when memory runs out in it, once more with the parts arranged leaner."""
        parts = self.release.arrange(plan)
        try:
            with torch.inference_mode():
                return work(parts)
        except OutOfMemory as err:
            failed = err.message
        # Here, not in the handler: as long as the error lives, its frames hold the tensors of the attempt.
        parts = self.release.arrange(plan, failed=failed)
        _log.warning("%s; tried once more in a leaner arrangement", failed)
        with torch.inference_mode():
            return work(parts)

    def _base(
        self, plan: Plan, parts: Parts, written: Written, reporter: Reporter
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
        """Return what a take keeps: the latents and the prompt's features for the second pass, and notes."""
        assert plan.latent is not None
        network = self.release.networks[self.network]
        generator = torch.Generator(self.release.device).manual_seed(plan.seed)
        voice = self._voice(plan, parts, generator)
        text, cut = self._text(plan, parts, written.text)
        conditions = replace(
            text,
            voice=voice,
            first_frame=self._first_frame(plan, parts, (plan.base_width, plan.base_height)),
        )
        reporter.say("prepare", 1, 1)
        with parts.use(self.network, Transformer) as model:
            latents = make_base(
                model,
                replace(network.sampler, num_steps=plan.num_steps),
                conditions,
                grid=plan.latent,
                num_audio=plan.tokens.audio,
                noise=gaussian(generator),
                on_step=lambda step: reporter.say("base", step.index + 1, step.num_steps),
            )
            arithmetic = model.note
        tensors = {"video": latents.video, "audio": latents.audio, "text": conditions.text}
        kept = {name: tensor.float().cpu().numpy() for name, tensor in tensors.items()}
        return kept, {_CUT: cut, _WEIGHTS: arithmetic}

    def _write(self, plan: Plan, parts: Parts, take: Take, output: Path, reporter: Reporter) -> None:
        tags, said = plan.tags(self._weights_of(plan)), _said(take)
        video = torch.from_numpy(take.latents["video"]).to(self.release.device)
        sound = self._sound(plan, parts, take)
        encode(
            output,
            self._frames(plan, parts, video, reporter),
            size=(plan.width, plan.height),
            audio=sound,
            metadata={**tags, _NOTES_TAG: "; ".join(said)} if said else tags,
            as_is=plan.voice is not None,
        )

    def _text(self, plan: Plan, parts: Parts, prompt: str) -> tuple[Conditions, str]:
        """Return the features of the prompts, and what of them the network does not read."""
        guided = self.release.networks[self.network].sampler.guidance is not None
        with parts.use(TEXT_ENCODER, PromptEncoder) as encoder:
            text = encoder.encode(prompt)
            null_text = encoder.encode(plan.negative_prompt) if guided else None
            cut = [_cut(encoder, prompt, "the prompt as it was written out")]
            cut += [_cut(encoder, plan.negative_prompt, "the negative prompt")] if guided else []
        device = self.release.device
        conditions = Conditions(text.to(device), None if null_text is None else null_text.to(device))
        return conditions, "; ".join(filter(None, cut))

    def _first_frame(self, plan: Plan, parts: Parts, size: tuple[int, int]) -> Tensor | None:
        """Return the clean latent of the user's picture at `size` (width, height)."""
        if plan.image is None:
            return None
        picture = decode_image(Path(plan.image.path), crop=plan.crop)
        pixels = pictures.first_frame(picture, size=size).to(self.release.device)
        with parts.use(WAN_VAE, WanVae) as vae:
            return vae.encode(pixels)

    def _voice(self, plan: Plan, parts: Parts, generator: torch.Generator) -> Tensor | None:
        """Return audio latents of the user's track, silence after its end, as many as the clip has."""
        if plan.voice is None:
            return None
        samples = decode_audio(
            Path(plan.voice.path),
            max_seconds=plan.duration_s,
            sample_rate=LATENT_RATE_HZ,
            channels=1,
            field="voice",
        )
        wanted = plan.tokens.audio * LATENT_RATE_HZ // AUDIO_LATENT_RATE
        track = torch.zeros(1, 2, wanted, device=self.release.device)
        heard = torch.from_numpy(samples[0, :wanted]).to(track)
        track[:, :, : len(heard)] = heard
        with parts.use(AUDIO_VAE, Oobleck) as codec:
            return codec.encode(track, noise=gaussian(generator))

    def _refined(
        self, plan: Plan, second: Refine, parts: Parts, take: Take, reporter: Reporter
    ) -> tuple[NDArray[np.float32], str]:
        """Return the picture's latents after the second pass, and what is to be said of its network's arithmetic."""
        device = self.release.device
        video, audio, text = (
            torch.from_numpy(take.latents[name]).to(device) for name in ("video", "audio", "text")
        )
        network = self.release.networks[second.network]
        conditions = Conditions(
            text, first_frame=self._first_frame(plan, parts, (second.width, second.height))
        )
        generator = torch.Generator(device).manual_seed(plan.seed)
        with parts.use(second.network, Transformer) as model:
            refined = refine(
                model,
                replace(network.sampler, num_steps=second.num_steps),
                Latents(video, audio),
                conditions,
                grid=second.latent,
                noise=gaussian(generator),
                on_step=lambda step: reporter.say("refine", step.index + 1, step.num_steps),
            )
            arithmetic = model.note
        return np.asarray(refined.float().cpu().numpy(), dtype=np.float32), arithmetic

    def _sound(self, plan: Plan, parts: Parts, take: Take) -> NDArray[np.float32] | None:
        """Return what is heard: the user's own track as it was, or the network's."""
        if plan.sound == "remove":
            return None
        if plan.voice is not None:
            return decode_audio(Path(plan.voice.path), max_seconds=plan.duration_s, field="voice")
        latents = torch.from_numpy(take.latents["audio"]).to(self.release.device)
        with parts.use(AUDIO_VAE, Oobleck) as codec:
            return np.asarray(sound_of(codec, latents).cpu().numpy(), dtype=np.float32)

    def _frames(
        self, plan: Plan, parts: Parts, video: Tensor, reporter: Reporter
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield finished pictures, exactly num_frames of them, while the next window is drawn and later ones are still latents."""
        number = 0
        reporter.say("decode", 0, plan.num_frames)
        with parts.use(TURBO_VAE, TurboVae) as vae:
            drawn = vae.decode_stream(video, strips=parts.strips)
            size = (plan.width, plan.height)
            for window in on_host(pictures.fit(pictures.to_bytes(chunk), size=size) for chunk in drawn):
                for frame in window[: plan.num_frames - number]:
                    yield watermark(frame) if plan.watermark else frame
                    number += 1
                reporter.say("decode", number, plan.num_frames)


def network_of(capabilities: Capabilities) -> str:
    """The network of an engine's base pass."""
    return "distill" if capabilities.negative_prompt is None else "base"


def _cut(encoder: PromptEncoder, text: str, name: str) -> str:
    """Say what of a text the network does not read, if anything."""
    lost = what_is_lost(text, encoder.token_ends(text), max_tokens=MAX_ROWS)
    return f"the network read {MAX_ROWS} tokens of {name}; {lost}" if lost else ""


def _said(take: Take) -> tuple[str, ...]:
    """What a clip and its record say of how its passes were made, each sentence once."""
    return tuple(dict.fromkeys(take.notes[name] for name in _SAID if name in take.notes))


def _reporter(plan: Plan, on_progress: OnProgress) -> Reporter:
    return Reporter(on_progress, _SHARES if plan.refine else _DRAFT_SHARES)
