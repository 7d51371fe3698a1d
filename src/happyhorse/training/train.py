"""Train nano's transformer by flow matching: pictures first, then sound, then clips, longer and longer.

Axes: b batch, c latent channels, t h w latent frames, height, width, a audio latents, m prompt rows.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from happyhorse.model.audio_vae import AudioVae
from happyhorse.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from happyhorse.model.config import PRESETS, ModelConfig
from happyhorse.model.pack import Latents, Phonemes, pack
from happyhorse.model.sampler import Guidance, SamplerSettings, video_noise
from happyhorse.model.text import TextEncoder
from happyhorse.model.transformer import Transformer
from happyhorse.model.video_vae import VideoVae
from happyhorse.shapes import PATCH
from happyhorse.training.clips import Batch, Clip, Codecs, Kind, collate, make_clips
from happyhorse.training.draw import DrawnPool
from happyhorse.training.machine import CPU, PLAIN, Machine
from happyhorse.training.report import Report, Tally
from happyhorse.training.state import load_state, save_state
from happyhorse.training.tutor import WEIGHT as TUTOR_WEIGHT
from happyhorse.training.tutor import Tutor

WIDE, TALL, SQUARE = (224, 128), (128, 224), (160, 160)
MOST = (WIDE, TALL, SQUARE)
RARE = ((224, 96), (96, 224), (224, 160), (160, 224), (192, 160), (160, 192))
BY_RATIO = {"16:9": WIDE, "9:16": TALL, "1:1": SQUARE}
KINDS: dict[str, Kind] = {
    "picture": Kind("picture", 0, (*MOST, *MOST, *RARE), balls=0.15),
    "voice": Kind("voice", 3, (WIDE,), pictures=False, balls=0.1),
    "short": Kind("short", 2, (*MOST, *MOST, *RARE), photos=0.12, balls=0.3),
    "long": Kind("long", 5, MOST, photos=0.12, balls=0.3),
}
BATCH = {"picture": 48, "voice": 12, "short": 6, "long": 3}
CAPACITY = {"picture": 24_000, "voice": 3000, "short": 1500, "long": 500}
PASSES = {"picture": 6.0, "voice": 6.0, "short": 7.0, "long": 8.0}
"""How often a drawn sample is used, each time at a new noise level: drawing is cheap, but not free."""


@dataclass(frozen=True)
class Stage:
    """A part of the run: it ends at this share of the time, and takes batches of these kinds by weight."""

    until: float
    weights: Mapping[str, float]


STAGES = (
    Stage(0.40, {"picture": 0.74, "voice": 0.26}),
    Stage(0.52, {"picture": 0.30, "voice": 0.40, "short": 0.30}),
    Stage(0.80, {"picture": 0.42, "voice": 0.12, "short": 0.46}),
    Stage(1.00, {"picture": 0.26, "voice": 0.24, "short": 0.32, "long": 0.18}),
)
DROP_TEXT, FIRST_FRAME, CLEAN_AUDIO = 0.1, 0.85, 0.08
DROP_TEXT_OF_GIVEN = 0.4
"""A first frame says more than most prompts beside it do; with a whole prompt at hand it would not be looked at."""
PEAK_RATE, MUON_RATE = 1.2e-3, 3e-3
LOSS_WEIGHTS = {"video": 1.0, "audio": 1.0, "mouth": TUTOR_WEIGHT}
WARMUP_STEPS = 200
EMA_DECAY = 0.9985
SAVE_EVERY_S = 90.0
REPORT_EVERY = 25
SHARED_NOISE = 0.7
SAMPLER = SamplerSettings("renoise", 8, 3.0, Guidance(video=1.5), SHARED_NOISE, picture_first=True)


@dataclass(frozen=True)
class Weights:
    """How much each latent channel counts in the loss, mean 1."""

    video: Float[Tensor, " c"]
    audio: Float[Tensor, " ca"]


def channel_weights(scale: Float[Tensor, " c"]) -> Float[Tensor, " c"]:
    """Weights of the latent channels, mean 1: by what a channel means in pixels, so that coarse counts more."""
    return scale / scale.mean()


def noise_levels(count: int, generator: torch.Generator) -> Float[Tensor, " b"]:
    """Draw sigmas: logit-normal, towards noise, where text and phonemes decide and not what is seen."""
    return torch.sigmoid(torch.randn(count, generator=generator) + 0.5)


@dataclass(frozen=True)
class Noised:
    """A batch on its way to noise: what the network sees, the velocity it should say, and what is generated (1) or given (0)."""

    seen: Latents
    velocity: Latents
    video_mask: Float[Tensor, "b 1 t 1 1"]
    audio_mask: Float[Tensor, "b 1 1"]
    weight: Float[Tensor, "b 1 t h w"]
    mouth: Float[Tensor, "b t s"]
    text: Float[Tensor, "b m ct"]
    phonemes: Phonemes
    first_frame: Float[Tensor, "b c 1 h w"]


def add_noise(batch: Batch, null_text: Float[Tensor, "m ct"], generator: torch.Generator) -> Noised:
    """Noise a batch at random levels; some prompts are dropped, some first frames and some sound tracks stay clean.

    All is on the generator's device.
    """
    clean = batch.clean
    b, frames = clean.video.shape[0], clean.video.shape[2]
    with generator.device:
        noise = Latents(
            video_noise(tuple(clean.video.shape), shared=SHARED_NOISE, generator=generator),
            torch.randn(clean.audio.shape, generator=generator),
        )
        sigma = noise_levels(b, generator)
        video_mask = torch.ones(b, 1, frames, 1, 1)
        audio_mask = torch.ones(b, 1, 1)
        drop = torch.full((b,), DROP_TEXT)
        if frames > 1 and clean.video.numel():
            given = batch.is_photo | (torch.rand(b, generator=generator) < FIRST_FRAME)
            video_mask[given, :, 0] = 0
            drop[given] = DROP_TEXT_OF_GIVEN
            audio_mask[torch.rand(b, generator=generator) < CLEAN_AUDIO] = 0
        dropped = (torch.rand(b, generator=generator) < drop).view(b, 1, 1)
    video_sigma = sigma.view(b, 1, 1, 1, 1) * video_mask
    audio_sigma = sigma.view(b, 1, 1) * audio_mask
    seen = Latents(
        clean.video + video_sigma * (noise.video - clean.video),
        clean.audio + audio_sigma * (noise.audio - clean.audio),
    )
    velocity = Latents(noise.video - clean.video, noise.audio - clean.audio)
    text = torch.where(dropped, null_text, batch.text)
    return Noised(
        seen,
        velocity,
        video_mask,
        audio_mask,
        batch.weight[:, None],
        batch.mouth,
        text,
        batch.phonemes,
        first_frame=clean.video[:, :, :1] * (1 - video_mask[:, :, :1]),
    )


def predict(model: Transformer, noised: Noised, text: Float[Tensor, "b m ct"]) -> Latents:
    """Run the network on a noised batch under bf16 autocast."""
    sequence = pack(
        model.config,
        video=noised.seen.video,
        audio=noised.seen.audio,
        text=text,
        phonemes=noised.phonemes,
        first_frame=noised.first_frame,
    )
    with torch.autocast(text.device.type, dtype=torch.bfloat16):
        velocity: Latents = model(sequence)
    return velocity


def flow_losses(said: Latents, noised: Noised, weights: Weights) -> dict[str, Tensor]:
    """Mean squared error of each modality that the batch has, over what was to be generated."""
    losses = {}
    if said.video.numel():
        error = (said.video - noised.velocity.video).square() * weights.video.view(1, -1, 1, 1, 1)
        counts = noised.video_mask * noised.weight
        losses["video"] = (error * counts).mean() / counts.mean()
    if said.audio.numel():
        error = (said.audio - noised.velocity.audio).square() * weights.audio
        losses["audio"] = (error * noised.audio_mask).mean() / noised.audio_mask.mean().clamp(min=0.1)
    return losses


def make_optimizers(model: Transformer) -> dict[str, Optimizer]:
    """Muon for the shared layers' matrices, AdamW for the rest (stacked modality blocks are not one matrix)."""
    shared = {i for i in range(model.config.num_layers) if i not in model.config.modality_layers}
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        layer = int(name.split(".")[2]) if name.startswith("block.layers.") else -1
        (matrices if layer in shared and parameter.ndim == 2 else rest).append(parameter)
    return {
        "muon": Muon(
            matrices, lr=MUON_RATE, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        "adamw": AdamW(rest, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01),
    }


def learning_scale(step: int, progress: float) -> float:
    """Warm up over 200 steps, stay, fall linearly to 5 % over the last 40 % of the time."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * min(1.0, max(0.05, (1 - progress) / 0.4))


class Trainer:
    """The state of one run: network, its average, optimizers, counters. All of it is on one device; what is drawn is not."""

    def __init__(self, config: ModelConfig, codecs: Codecs, *, seed: int, device: torch.device = CPU) -> None:
        torch.manual_seed(seed)
        self.codecs, self.device = codecs, device
        self.model = Transformer(config).to(device)
        self.ema = copy.deepcopy(self.model).requires_grad_(requires_grad=False)
        self.tutor = Tutor(self.model).to(device)
        self.optimizers = make_optimizers(self.model)
        self.optimizers["tutor"] = AdamW(self.tutor.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98))
        self.base_rates = {name: opt.param_groups[0]["lr"] for name, opt in self.optimizers.items()}
        self.weights = Weights(
            channel_weights(VideoVae.load(codecs.video).scale).to(device),
            channel_weights(AudioVae.load(codecs.audio).encoder.spread).to(device),
        )
        self.null_text = TextEncoder.load(codecs.text).encode([""])[0].detach().clone().to(device)
        self.step, self.minutes = 0, 0.0
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)

    def train_step(self, clips: list[Clip], *, progress: float) -> dict[str, Tensor]:
        """One update; return its losses; `progress` is the share of the run that is over."""
        noised = add_noise(collate(clips, self.rng, device=self.device), self.null_text, self.generator)
        scale = learning_scale(self.step, progress)
        for name, optimizer in self.optimizers.items():
            optimizer.param_groups[0]["lr"] = self.base_rates[name] * scale
        said = predict(self.model, noised, noised.text)
        mouth = self.tutor.loss(noised.mouth, num_video=noised.weight[0].numel() // PATCH**2)
        losses = flow_losses(said, noised, self.weights)
        if mouth is not None:
            losses["mouth"] = mouth
        torch.stack([LOSS_WEIGHTS[name] * loss for name, loss in losses.items()]).sum().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        return losses

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)

    def save(self, out: Path) -> None:
        """Write the trainer's state and the averaged network as a checkpoint of its own."""
        numbers = {"step": self.step, "minutes": self.minutes}
        save_state(
            out / "transformer.state.safetensors",
            models={"model": self.model, "ema": self.ema, "tutor": self.tutor},
            optimizers=self.optimizers,
            numbers=numbers,
        )
        notes = {"minutes": f"{self.minutes:.1f}"}
        save_checkpoint(Checkpoint(self.ema, SAMPLER, notes), out / "transformer.safetensors")

    def load(self, out: Path) -> None:
        """Go on from the state in `out`; without one, from the weights there, at the minute they had reached."""
        state, checkpoint = out / "transformer.state.safetensors", out / "transformer.safetensors"
        if state.exists():
            models = {"model": self.model, "ema": self.ema, "tutor": self.tutor}
            numbers = load_state(state, models=models, optimizers=self.optimizers)
            self.step, self.minutes = int(numbers["step"]), numbers["minutes"]
            self.rng = np.random.default_rng(self.step)
            self.generator.manual_seed(self.step)
        elif checkpoint.exists():
            trained = load_checkpoint(checkpoint)
            for model in (self.model, self.ema):
                model.load_state_dict(trained.model.state_dict())
            self.minutes = float(trained.notes.get("minutes", "0"))


def compile_layers(model: Transformer) -> None:
    """Fuse what each layer does between its matrix products; every shape of batch compiles once, at its first step."""
    torch._dynamo.config.recompile_limit = 128  # kinds x sizes x the three sorts of layers
    for layer in model.block.layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)  # hooks stay outside


def stage_at(progress: float) -> int:
    """Index of the stage that this share of the run belongs to."""
    return next((i for i, stage in enumerate(STAGES) if progress < stage.until), len(STAGES) - 1)


def run(
    *,
    out: Path,
    codecs: Codecs,
    minutes: float,
    resume: bool,
    ratios: Sequence[str] = (),
    machine: Machine = PLAIN,
    seed: int = 0,
    on_report: Callable[[Report, Trainer], None] = lambda _report, _trainer: None,
) -> Path:
    """Train until `minutes` (those of earlier runs included) have passed; return the checkpoint, out/transformer.safetensors.

    `ratios` spends a small machine's time on a few shapes (keys of BY_RATIO; none: all nine).
    """
    trainer = Trainer(PRESETS["nano"], codecs, seed=seed, device=machine.device)
    if resume:
        trainer.load(out)
    if machine.compiled:
        compile_layers(trainer.model)
    before, started = trainer.minutes, time.monotonic()
    saved = started
    with ExitStack() as stack:
        pools: dict[str, DrawnPool[Clip]] = {}
        tally = Tally()
        while (progress := trainer.minutes / minutes) < 1:
            index = stage_at(progress)
            stage = STAGES[index]
            name = str(
                trainer.rng.choice(
                    list(stage.weights),
                    p=np.array(list(stage.weights.values())) / sum(stage.weights.values()),
                )
            )
            if name not in pools:
                kind = KINDS[name]
                if ratios and kind.pictures:
                    chosen = {BY_RATIO[ratio] for ratio in ratios}
                    kind = replace(kind, sizes=tuple(size for size in kind.sizes if size in chosen))
                make = partial(make_clips, kind=kind, codecs=codecs)
                first_seed = 1 + trainer.step * 1000
                pools[name] = stack.enter_context(
                    DrawnPool(
                        make,
                        key=_shape,
                        capacity=CAPACITY[name],
                        passes=PASSES[name],
                        first_seed=first_seed,
                        workers=machine.workers,
                    )
                )
            losses = trainer.train_step(pools[name].batch(BATCH[name], trainer.rng), progress=progress)
            tally.add(name, losses)
            trainer.minutes = before + (time.monotonic() - started) / 60
            if trainer.step % REPORT_EVERY == 0:
                drawn = {kind: pool.num_drawn for kind, pool in pools.items()}
                on_report(tally.report(trainer.step, trainer.minutes, index, drawn), trainer)
                tally = Tally()
            if time.monotonic() - saved > SAVE_EVERY_S:
                trainer.save(out)
                saved = time.monotonic()
    trainer.save(out)
    return out / "transformer.safetensors"


def _shape(clip: Clip) -> tuple[int, ...]:
    return clip.video.shape
