"""Train nano's audio codec: fit the encoder's basis on the world's sounds, then the decoder that speaks from latents.

The voices are known exactly while the world speaks, so the decoder is taught their pitch, and with the true pitch it learns
the two envelopes from spectra: of the whole, and of what is not periodic. Noise is never drawn, only expected. No adversary
is needed.

Axes: b batch, s samples, a latents, c latent channels, k hops of 10 ms, m mel bands, i frames of 5 ms, q synthesis bins,
f pitch classes, w bins of the long spectrum, n rows of mels (four hops each).
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.model.audio_vae import (
    AudioDecoder,
    AudioEncoder,
    AudioVae,
    AudioVaeConfig,
    framed_stft,
    mel_filters,
)
from happyhorse.shapes import SAMPLE_RATE, SAMPLES_PER_AUDIO_LATENT
from happyhorse.speech.sound import resample
from happyhorse.speech.speaker import speak
from happyhorse.speech.voices import VOICES
from happyhorse.training.draw import DrawnPool
from happyhorse.training.state import load_state, save_state
from happyhorse.world.lines import sample_line
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import render, speak_line

CLIP_LATENTS = 60
CROP_LATENTS = 16
BATCH = 16
FIT_SOUNDS = 1500
FIT_SEED = 60_000_000
WORLD_SHARE, ENGLISH_SHARE = 0.65, 0.25
LEARNING_RATE = 1.5e-3
WARMUP_STEPS = 100
AVERAGE_DECAY = 0.998
SAVE_EVERY_S = 60.0
LATENT_NOISE = 0.2
PITCH_WEIGHT = 0.1
SILENT_PITCH_WEIGHT = 0.1
NUM_BANDS = 40
FLOOR_DENSITY = 1e-6
"""Variance per sample of the noise that nobody hears; it keeps the losses from caring about silence."""

# Voices that the lines of the world do not reach. Latents of other languages must be carried too.
PHRASES: dict[str, tuple[str, ...]] = {
    "zh": (
        "你好 今天天气很好 我们一起去公园散步吧",
        "欢迎回来 这里是今天的新闻",
        "请跟我来 前面有一家很好的书店",
    ),
    "yue": ("你好 今日天氣好好 我哋一齊去公園行吓啦", "多謝晒 聽日見"),
    "ja": ("こんにちは きょうはとてもいいてんきですね", "ありがとうございます またあしたあいましょう"),
    "ko": ("안녕하세요 오늘은 날씨가 정말 좋네요", "만나서 반갑습니다 내일 다시 만나요"),
    "de": (
        "Guten Morgen, heute ist ein schöner Tag für einen Spaziergang.",
        "Zwölf große Bücher liegen auf dem Tisch.",
    ),
    "fr": ("Bonjour, il fait très beau, allons nous promener.", "Merci beaucoup et à demain, mes amis."),
}

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """A clip to learn from: all of it, and what of it is not periodic; for each hop of 10 ms the voice's pitch, if any."""

    waveform: Samples
    noise: Samples
    pitch_hz: Samples
    voiced: NDArray[np.bool_]


@dataclass(frozen=True)
class Report:
    """What the trainer says now and then: means since the last report. Spectra in nepers of log amplitude."""

    step: int
    minutes: float
    long_spectrum: float
    short_spectrum: float
    noise_spectrum: float
    pitch_cents: float


# Sounds


def _place(voice: Samples, start: int, length: int) -> Samples:
    placed = np.zeros(length, dtype=np.float32)
    placed[start : start + len(voice)] = voice[: max(0, length - start)]
    return placed


def _bare_voice(rng: np.random.Generator, *, english: bool, seconds: float) -> Samples:
    """A voice as nobody in the world has it: other pitch, pace and language."""
    names = [name for name, voice in VOICES.items() if (voice.language == "en") == english]
    voice = VOICES[names[int(rng.integers(len(names)))]]
    phrases = PHRASES.get(voice.language)
    text = phrases[int(rng.integers(len(phrases)))] if phrases else sample_line(rng, seconds=seconds)
    return speak(
        text, voice.name, rate_wpm=int(rng.integers(125, 200)), pitch=int(rng.integers(30, 70))
    ).waveform


def _make(seeds: range) -> Iterator[Sound]:
    return map(make_sound, seeds)


def make_sound(seed: int) -> Sound:
    """Make sound number `seed`: a scene of the world, or a bare voice at any level over faint noise."""
    rng = np.random.default_rng((seed, 37))
    length = CLIP_LATENTS * SAMPLES_PER_AUDIO_LATENT
    seconds = length / SAMPLE_RATE
    kind = rng.random()
    if kind < WORLD_SHARE:
        scene = sample_scene(seed, seconds=seconds)
        place = render(scene, None, num_samples=length)
        waveform = render(scene, speak_line(scene), num_samples=length)
    else:
        place = (10 ** (rng.uniform(-90, -60) / 20) * rng.standard_normal(length)).astype(np.float32)
        voice = _bare_voice(rng, english=kind < WORLD_SHARE + ENGLISH_SHARE, seconds=seconds)
        level = 10 ** (rng.uniform(-18, -4) / 20)
        waveform = np.tanh(place + level * _place(voice, int(rng.integers(0, 8000)), length)).astype(
            np.float32
        )
    voice = waveform - place
    pitch_hz, voiced = track_pitch(voice)
    return Sound(waveform, waveform - periodic_part(voice, pitch_hz, voiced), pitch_hz, voiced)


# Pitch of a clean voice


_TRACK_RATE = 12_000
_TRACK_WINDOW = 480
_LONGEST_PERIOD = 200


def track_pitch(voice: Samples) -> tuple[Samples, NDArray[np.bool_]]:
    """Return the pitch in Hz of every hop of 10 ms (carried through pauses) and whether the hop is voiced.

    Normalised autocorrelation, the best path through it, and a parabola at its peak: enough for a voice without noise.
    """
    config = AudioVaeConfig()
    count = len(voice) // config.hop
    classes = np.arange(config.num_pitches)
    lags = _TRACK_RATE / (config.lowest_pitch_hz * 2 ** (classes * config.cents_per_pitch / 1200))
    ratio, loud = _autocorrelation(resample(voice, SAMPLE_RATE, _TRACK_RATE), count)
    below = np.minimum(lags.astype(int), _LONGEST_PERIOD - 1)
    scores = ratio[:, below] * (1 - lags + below) + ratio[:, below + 1] * (lags - below)
    scores = np.where(loud[:, None], scores, 0.0) + 0.04 * classes / len(
        classes
    )  # of equals, the shortest period
    lag = np.clip(np.round(lags[_best_path(scores)]).astype(int), 25, _LONGEST_PERIOD - 1)
    hops = np.arange(count)
    for _ in range(4):
        around = np.stack([ratio[hops, lag + step] for step in (-1, 0, 1)])
        lag = np.clip(lag + around.argmax(0) - 1, 25, _LONGEST_PERIOD - 1)
    left, top, right = (ratio[hops, lag + step] for step in (-1, 0, 1))
    shift = (left - right) / np.minimum(2 * (left - 2 * top + right), -1e-9)
    pitch_hz = _TRACK_RATE / (lag + np.clip(shift, -0.5, 0.5))
    voiced = (top > 0.7) & loud
    filled = np.interp(hops, hops[voiced], pitch_hz[voiced]) if voiced.any() else np.full(count, 120.0)
    return filled.astype(np.float32), voiced


def _autocorrelation(voice: Samples, count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(hops, lags) in -1..1, centred on each hop, and which hops are not silent."""
    size, hop = _TRACK_WINDOW + _LONGEST_PERIOD, _TRACK_RATE // 100
    padded = np.pad(voice.astype(np.float64), size)
    starts = size + hop // 2 - size // 2 + hop * np.arange(count)
    pieces = padded[starts[:, None] + np.arange(size)]
    spectrum = np.conj(np.fft.rfft(pieces[:, :_TRACK_WINDOW], 2048)) * np.fft.rfft(pieces, 2048)
    products = np.fft.irfft(spectrum, 2048)[:, : _LONGEST_PERIOD + 1]
    sums = np.cumsum(np.pad(pieces**2, ((0, 0), (1, 0))), 1)
    energy = sums[:, _TRACK_WINDOW:] - sums[:, : _LONGEST_PERIOD + 1]
    level = np.sqrt(energy[:, 0])
    return products / np.sqrt(energy[:, :1] * energy + 1e-9), level > 0.02 * level.max()


def _best_path(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The classes with the highest sum of scores less the cost of their leaps (dynamic programming)."""
    count, classes = scores.shape
    leap = np.minimum(0.03 * np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))), 1.5)
    best, came = scores[0], np.zeros((count, classes), dtype=np.intp)
    for hop in range(1, count):
        reached = best[None] - leap
        came[hop] = reached.argmax(1)
        best = reached[np.arange(classes), came[hop]] + scores[hop]
    path = np.zeros(count, dtype=np.intp)
    path[-1] = best.argmax()
    for hop in range(count - 1, 0, -1):
        path[hop - 1] = came[hop, path[hop]]
    return path


def periodic_part(voice: Samples, pitch_hz: Samples, voiced: NDArray[np.bool_]) -> Samples:
    """Return what of a clean voice comes back a period later and was there a period before; 0 where there is no voice.

    The mean of the best match on either side; what differs from it is scaled so that pure noise would keep its variance.
    """
    hop = SAMPLE_RATE // 100
    margin = round(SAMPLE_RATE / 55) + hop
    padded = np.pad(voice.astype(np.float64), 2 * margin)
    total = np.zeros_like(padded)
    window = np.hanning(2 * hop + 1)[:-1]
    for at in np.flatnonzero(voiced):
        start = 2 * margin + int(at) * hop - hop // 2
        here = padded[start : start + 2 * hop]
        period = SAMPLE_RATE / pitch_hz[at]
        lags = np.arange(math.floor(0.97 * period), math.ceil(1.03 * period) + 1)
        both = [_best_match(padded, here, start + side * lags) for side in (-1, 1)]
        total[start : start + 2 * hop] += window * (here - (here - (both[0] + both[1]) / 2) / math.sqrt(1.5))
    return total[2 * margin : -2 * margin].astype(np.float32)


def _best_match(
    samples: NDArray[np.float64], here: NDArray[np.float64], starts: NDArray[np.intp]
) -> NDArray[np.float64]:
    pieces = samples[starts[:, None] + np.arange(len(here))]
    likeness = pieces @ here / np.sqrt((pieces**2).sum(1) + 1e-9)
    best: NDArray[np.float64] = pieces[likeness.argmax()]
    return best


# The encoder's basis


def fit_basis(encoder: AudioEncoder, make: Callable[[int], Sound], *, num_sounds: int) -> None:
    """Set the encoder's mean, principal components (largest first) and their standard deviations, in float64."""
    values = len(encoder.mean)
    total = torch.zeros(values, dtype=torch.float64)
    moment = torch.zeros(values, values, dtype=torch.float64)
    count = 0
    for i in range(num_sounds):
        mel = encoder.mel(torch.from_numpy(make(FIT_SEED + i).waveform)[None])
        rows = rearrange(mel.double(), "b (a j) m -> (b a) (j m)", j=encoder.config.hops_per_latent)
        total += rows.sum(0)
        moment += rows.T @ rows
        count += len(rows)
    mean = total / count
    variance, components = torch.linalg.eigh(moment / count - torch.outer(mean, mean))
    order = torch.arange(values - 1, values - 1 - encoder.config.latent_channels, -1)
    basis = components[:, order]
    encoder.mean.copy_(mean)
    encoder.basis.copy_(basis * torch.where(basis.sum(0) < 0, -1.0, 1.0))
    encoder.spread.copy_(variance[order].sqrt())


# Losses


@dataclass(frozen=True)
class Batch:
    """Crops of sounds, on one grid of latents."""

    waveform: Float[Tensor, "b s"]
    noise: Float[Tensor, "b s"]
    pitch_hz: Float[Tensor, "b k"]
    voiced: Float[Tensor, "b k"]


def crop(sounds: list[Sound], rng: np.random.Generator, *, config: AudioVaeConfig) -> Batch:
    """Cut CROP_LATENTS out of each sound, anywhere on the latents' grid."""
    hops, samples = CROP_LATENTS * config.hops_per_latent, CROP_LATENTS * SAMPLES_PER_AUDIO_LATENT
    starts = rng.integers(0, CLIP_LATENTS - CROP_LATENTS + 1, len(sounds))
    waves, noises, pitches, flags = [], [], [], []
    for sound, start in zip(sounds, starts, strict=True):
        hop = int(start) * config.hops_per_latent
        waves.append(sound.waveform[hop * config.hop :][:samples])
        noises.append(sound.noise[hop * config.hop :][:samples])
        pitches.append(sound.pitch_hz[hop:][:hops])
        flags.append(sound.voiced[hop:][:hops])
    return Batch(
        *(torch.from_numpy(np.stack(parts).astype(np.float32)) for parts in (waves, noises, pitches, flags))
    )


def pitch_loss(
    logits: Float[Tensor, "b k f"], batch: Batch, *, config: AudioVaeConfig
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the cross-entropy against a narrow bell around the true class, and the mean error in cents where voiced."""
    cents = 1200 * torch.log2(batch.pitch_hz / config.lowest_pitch_hz)
    true = cents / config.cents_per_pitch
    classes = torch.arange(config.num_pitches)
    bell = torch.exp(-0.5 * (classes - true[..., None]).square())
    entropy = -(bell / bell.sum(2, keepdim=True) * logits.log_softmax(2)).sum(2)
    weights = batch.voiced + SILENT_PITCH_WEIGHT * (1 - batch.voiced)
    errors = (logits.argmax(2) - true).abs() * config.cents_per_pitch * batch.voiced
    return (entropy * weights).sum() / weights.sum(), errors.sum() / batch.voiced.sum().clamp(min=1)


def long_distance(
    voice: Float[Tensor, "b s"],
    density: Float[Tensor, "b q i"],
    waveform: Float[Tensor, "b s"],
    *,
    window: Float[Tensor, " w"],
    config: AudioVaeConfig,
) -> Float[Tensor, ""]:
    """Return the mean distance of log amplitudes, in nepers, of bins fine enough to tell harmonics from noise.

    No noise is drawn. A bin holds a sine of unknown phase (the voice) in Gaussian noise (its density, seen through the
    window); its median power is close to sine^2 + ln 2 noise^2, and the median is what an absolute error asks for.
    """
    hop = config.synthesis_hop * len(window) // config.synthesis_window
    used = int(config.high_hz * len(window) / SAMPLE_RATE)
    true, sine = (_density(sound, window, hop)[:, 1:used] for sound in (waveform, voice))
    noise = _seen_through(window, density, hop=hop, config=config)[:, 1:used]
    inside = slice(2, -2)  # the mirrored ends of a crop are nobody's sound
    distance = _log_distance(true, sine + math.log(2) * noise)[:, :, inside].mean((0, 2))
    weights = 1 / (torch.arange(1, used) * (SAMPLE_RATE / len(window)) + 700)  # as ears space them
    return (distance * weights / weights.sum()).sum()


def short_distance(
    voice: Float[Tensor, "b s"],
    density: Float[Tensor, "b q i"],
    waveform: Float[Tensor, "b s"],
    *,
    window: Float[Tensor, " w"],
    config: AudioVaeConfig,
) -> Float[Tensor, ""]:
    """Return the mean distance of log amplitudes, in nepers, of wide bands in the synthesis frames themselves."""
    true, sine = (
        _density(sound, window, config.synthesis_hop)[:, : config.num_bins] for sound in (waveform, voice)
    )
    bands = mel_filters(replace(config, num_mels=NUM_BANDS, window=len(window)))[:, : config.num_bins]
    return _log_distance(bands @ true, bands @ (sine + density))[:, :, 4:-4].mean()


def _density(sound: Tensor, window: Tensor, hop: int) -> Tensor:
    """Power of each bin, scaled so that white noise of variance 1 has the mean 1."""
    return framed_stft(sound, window=window, hop=hop).abs().square() / window.square().sum()


def _log_distance(true: Tensor, guess: Tensor) -> Tensor:
    return 0.5 * ((true + FLOOR_DENSITY).log() - (guess + FLOOR_DENSITY).log()).abs()


def _seen_through(window: Tensor, density: Tensor, *, hop: int, config: AudioVaeConfig) -> Tensor:
    """(b, w, hops): noise density as a longer window sees it: frames averaged under it, bins interpolated."""
    frames = hop // config.synthesis_hop
    reach = len(window) // 2 // config.synthesis_hop
    offsets = (torch.arange(-reach, reach) + 0.5) * config.synthesis_hop  # frames around a hop's centre
    weights = torch.cos(torch.pi * offsets / len(window)).square().square()
    padded = F.pad(density, (reach - frames // 2,) * 2, mode="replicate")
    rows = rearrange(padded, "b q i -> (b q) 1 i")
    seen = F.conv1d(rows, (weights / weights.sum())[None, None], stride=frames)
    seen = rearrange(seen, "(b q) 1 k -> b k q", b=len(density))
    num_bins = (config.num_bins - 1) * (len(window) // config.synthesis_window) + 1
    finer = F.interpolate(seen, size=num_bins, mode="linear", align_corners=True)
    return rearrange(finer, "b k w -> b w k")


# Training


def run(
    *,
    out: Path,
    minutes: float,
    resume: bool,
    seed: int = 0,
    on_report: Callable[[Report], None] = lambda _: None,
) -> Path:
    """Train for a number of minutes (those of earlier runs included); return the checkpoint, out/audio_vae.safetensors.

    With `resume`, a state found in `out` goes on; a checkpoint without a state keeps its encoder and starts from its decoder.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    state, checkpoint = out / "audio_vae.state.safetensors", out / "audio_vae.safetensors"
    if resume and checkpoint.exists():
        vae = AudioVae.load(checkpoint)
    else:
        vae = AudioVae(AudioVaeConfig(), has_decoder=False)
        fit_basis(vae.encoder, make_sound, num_sounds=FIT_SOUNDS)
        vae.save(checkpoint)
    trainer = _Trainer(vae.encoder, vae.decoder or AudioDecoder(vae.config))
    vae.decoder = trainer.average
    models, optimizers = (
        {"decoder": trainer.decoder, "average": trainer.average},
        {"adamw": trainer.optimizer},
    )
    before = 0.0
    if resume and state.exists():
        numbers = load_state(state, models=models, optimizers=optimizers)
        trainer.num_steps, before = int(numbers["step"]), numbers["minutes"]

    def keep(spent: float) -> None:
        numbers = {"step": float(trainer.num_steps), "minutes": spent}
        save_state(state, models=models, optimizers=optimizers, numbers=numbers)
        vae.save(checkpoint)

    started = saved = time.monotonic()
    said: list[tuple[float, float, float, float]] = []
    first_seed = trainer.num_steps * BATCH + 1
    with DrawnPool(_make, key=lambda _: 0, capacity=600, passes=10.0, first_seed=first_seed) as pool:
        while (spent := before + (time.monotonic() - started) / 60) < minutes:
            batch = crop(pool.batch(BATCH, rng), rng, config=vae.config)
            said.append(trainer.step(batch, share=spent / minutes))
            if trainer.num_steps % 50 == 0:
                on_report(Report(trainer.num_steps, spent, *np.mean(said, axis=0).tolist()))
                said = []
            if time.monotonic() - saved > SAVE_EVERY_S:
                keep(spent)
                saved = time.monotonic()
    keep(max(before, minutes))
    return checkpoint


class _Trainer:
    """A decoder, its running average (the one to keep), its optimizer, and one step of learning."""

    def __init__(self, encoder: AudioEncoder, decoder: AudioDecoder) -> None:
        self.encoder, self.decoder = encoder, decoder.train()
        self.average = copy.deepcopy(decoder).eval().requires_grad_(False)
        self.num_steps = 0
        self.optimizer = torch.optim.AdamW(
            decoder.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-2
        )

    def step(self, batch: Batch, *, share: float) -> tuple[float, float, float, float]:
        """Learn from a batch; `share` is how much of the run is over. Return the numbers of a Report."""
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (self.num_steps + 1) / WARMUP_STEPS) * max(0.02, 1 - share)
        encoder, decoder, config = self.encoder, self.decoder, self.encoder.config
        with torch.no_grad():
            true_mel = encoder.mel(batch.waveform)
            latents = encoder.latents_of(true_mel)
            # The transformer's latents are not exact; a decoder that has only seen exact ones would sing their errors.
            amount = LATENT_NOISE * torch.rand(len(latents), 1, 1) * (torch.rand(len(latents), 1, 1) < 0.5)
            latents = latents + amount * torch.randn_like(latents)
            mel = encoder.mel_of(latents)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            controls = decoder.controls(latents, mel)
        voice = decoder.voice(controls.voiced, batch.pitch_hz)
        entropy, cents = pitch_loss(controls.pitch, batch, config=config)
        density = rearrange(torch.exp(2 * (controls.noise + decoder.noise_offset)), "b i q -> b q i")
        # The noise learns from what is truly not periodic. Learning from the whole, it would also cover the voice's errors.
        pairs = ((voice, density.detach(), batch.waveform), (torch.zeros_like(voice), density, batch.noise))
        long, noise_long = (long_distance(*pair, window=encoder.hann, config=config) for pair in pairs)
        short, noise_short = (short_distance(*pair, window=decoder.hann, config=config) for pair in pairs)
        loss = long + short + noise_long + noise_short + PITCH_WEIGHT * entropy
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        self.optimizer.step()
        self.num_steps += 1
        weight = max(1 - AVERAGE_DECAY, 1 / (self.num_steps + 1))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), decoder.parameters(), strict=True):
                kept.lerp_(new, weight)
        return long.item(), short.item(), noise_short.item(), cents.item()
