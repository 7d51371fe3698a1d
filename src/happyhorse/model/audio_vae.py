"""Waveform <-> audio latents: the first and the last step of nano's sound.

One latent is 40 ms: four hops of 10 ms, each 100 log-mel bands, whitened by a fixed basis to 64 values. Nothing in the
encoder is learned by gradient: its basis is fitted once (training/codec_audio.py), stored with the weights and frozen.
Latent i covers samples [1920 i, 1920 (i + 1)), so A latents are exactly 1920 A samples, in both directions.

The decoder is a source-filter synthesiser steered by a network: from the latents it reads a pitch and, every 5 ms, one
spectral envelope for a train of harmonics of that pitch and one for noise. Phases come from the sources, so no
adversarial training is needed for them to be coherent; what is neither harmonic nor noise-like comes out as noise.

Axes: b batch, s samples, a latents, c latent channels, k hops of 10 ms, m mel bands, v values of one latent (4 m),
i frames of 5 ms, q bins of the synthesis spectrum, f pitch classes, d width.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import description, fill, load_tensors, save_tensors
from happyhorse.shapes import SAMPLE_RATE, SAMPLES_PER_AUDIO_LATENT

FORMAT = "happyhorse-audio-1"
MAX_LOG_AMPLITUDE = 1.0
_NOISE_SEED = 20


@dataclass(frozen=True)
class AudioVaeConfig:
    """Every dimension of an AudioVae. `floor` is the mel power (a full-scale sine is near 1) under which all is silence."""

    latent_channels: int = 64
    num_mels: int = 100
    hops_per_latent: int = 4
    window: int = 2048
    low_hz: float = 30.0
    high_hz: float = 16_000.0
    floor: float = 1e-8
    width: int = 256
    num_blocks: int = 6
    kernel: int = 7
    synthesis_window: int = 1024
    frames_per_hop: int = 2
    lowest_pitch_hz: float = 60.0
    num_pitches: int = 180
    cents_per_pitch: float = 20.0
    harmonics_to_hz: float = 12_000.0

    @property
    def hop(self) -> int:
        """Samples between two mel frames."""
        return SAMPLES_PER_AUDIO_LATENT // self.hops_per_latent

    @property
    def synthesis_hop(self) -> int:
        """Samples between two synthesis frames."""
        return self.hop // self.frames_per_hop

    @property
    def num_bins(self) -> int:
        """Bins of the synthesis spectrum that carry sound: those below high_hz."""
        return int(self.high_hz * self.synthesis_window / SAMPLE_RATE) + 1


def _mel_edges(config: AudioVaeConfig) -> Tensor:
    """Frequencies of the mel bands: lower edge of the first, all centres, upper edge of the last."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (config.low_hz, config.high_hz))
    mels = torch.linspace(low, high, config.num_mels + 2, dtype=torch.float64)
    return 700 * (10 ** (mels / 2595) - 1)


def mel_filters(config: AudioVaeConfig) -> Float[Tensor, "m bins"]:
    """Triangles on the mel scale, each a weighted mean of the powers under it; none is narrower than two bins."""
    bin_hz = SAMPLE_RATE / config.window
    edges = _mel_edges(config)
    centre = edges[1:-1, None]
    below = (centre - edges[:-2, None]).clamp(min=bin_hz)
    above = (edges[2:, None] - centre).clamp(min=bin_hz)
    hz = torch.arange(config.window // 2 + 1, dtype=torch.float64) * bin_hz
    filters = (torch.minimum((hz - centre) / below, (centre - hz) / above) + 1).clamp(min=0)
    return (filters / filters.sum(1, keepdim=True)).float()


def _bins_of_mels(config: AudioVaeConfig) -> Tensor:
    """(m, q): linear interpolation from mel bands to the bins of the synthesis spectrum."""
    centres = _mel_edges(config)[1:-1]
    hz = torch.arange(config.num_bins, dtype=torch.float64) * SAMPLE_RATE / config.synthesis_window
    right = torch.searchsorted(centres, hz).clamp(1, config.num_mels - 1)
    share = ((hz - centres[right - 1]) / (centres[right] - centres[right - 1])).clamp(0, 1)
    matrix = torch.zeros(config.num_mels, config.num_bins, dtype=torch.float64)
    column = torch.arange(config.num_bins)
    matrix[right - 1, column] = 1 - share
    matrix[right, column] += share
    return matrix.float()


def framed_stft(
    waveform: Float[Tensor, "b s"], *, window: Float[Tensor, " w"], hop: int
) -> Complex[Tensor, "b bins frames"]:
    """Return the complex spectrum with frame i centred in samples [hop i, hop (i + 1)); the ends are mirrored."""
    side = (len(window) - hop) // 2
    padded = F.pad(waveform[:, None], (side, side), mode="reflect")[:, 0]
    return torch.stft(padded, len(window), hop, window=window, center=False, return_complex=True)


def _overlap_add(
    spectrum: Complex[Tensor, "b bins frames"], *, window: Float[Tensor, " w"], hop: int
) -> Float[Tensor, "b s"]:
    """Undo framed_stft; where the spectrum was changed, the least-squares answer."""
    size, count = len(window), spectrum.shape[2]
    length = (count - 1) * hop + size
    pieces = torch.fft.irfft(spectrum, size, dim=1) * window[:, None]  # (b, size, frames)
    weights = window.square()[None, :, None].expand(1, size, count)
    total = F.fold(pieces, (1, length), (1, size), stride=(1, hop))[:, 0, 0]
    weight = F.fold(weights, (1, length), (1, size), stride=(1, hop))[:, 0, 0]
    side = (size - hop) // 2
    return (total / weight.clamp(min=1e-4))[:, side : length - side]


def harmonics(pitch_hz: Float[Tensor, "b k"], *, hop: int, up_to_hz: float) -> Float[Tensor, "b s"]:
    """Return the sum of all harmonics of a pitch that moves linearly between hop centres, each of amplitude 1.

    The sum sin(x) + ... + sin(n x) is sin(n x / 2) sin((n + 1) x / 2) / sin(x / 2); float64, since phases grow long.
    """
    padded = torch.cat((pitch_hz[:, :1], pitch_hz, pitch_hz[:, -1:]), 1).double()
    share = (torch.arange(hop, dtype=torch.float64, device=pitch_hz.device) + 0.5) / hop
    between = padded[:, :-1, None] * (1 - share) + padded[:, 1:, None] * share  # (b, k + 1, hop)
    half = hop // 2
    hz = rearrange(between, "b k s -> b (k s)")[:, half : half + pitch_hz.shape[1] * hop]
    count = torch.floor(up_to_hz / hz)
    half_phase = torch.remainder(torch.cumsum(hz / SAMPLE_RATE, 1), 1) * math.pi
    below = torch.sin(half_phase)
    safe = torch.where(below.abs() < 1e-7, torch.ones_like(below), below)
    train = torch.sin(count * half_phase) * torch.sin((count + 1) * half_phase) / safe
    return torch.where(below.abs() < 1e-7, 0.0, train).float()


class AudioEncoder(nn.Module):
    """Waveform -> log-mel -> standardised latents, and the way back to the log-mel. No parameters: buffers only."""

    filters: Tensor
    hann: Tensor
    mean: Tensor
    basis: Tensor
    spread: Tensor

    def __init__(self, config: AudioVaeConfig) -> None:
        super().__init__()
        self.config = config
        values = config.hops_per_latent * config.num_mels
        self.register_buffer("filters", mel_filters(config), persistent=False)
        self.register_buffer("hann", torch.hann_window(config.window), persistent=False)
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.eye(values, config.latent_channels))
        self.register_buffer("spread", torch.ones(config.latent_channels))

    def mel(self, waveform: Float[Tensor, "b s"]) -> Float[Tensor, "b k m"]:
        """Return log amplitudes (nepers) of the mel bands. Raises: ValueError unless 1920 divides the samples."""
        if waveform.shape[1] == 0 or waveform.shape[1] % SAMPLES_PER_AUDIO_LATENT:
            raise ValueError(
                f"{waveform.shape[1]} samples are not a whole number of latents ({SAMPLES_PER_AUDIO_LATENT} samples each)"
            )
        spectrum = framed_stft(waveform.float(), window=self.hann, hop=self.config.hop)
        power = (spectrum.abs() * (2 / self.hann.sum())).square()
        return 0.5 * torch.log(rearrange(self.filters @ power, "b m k -> b k m") + self.config.floor)

    def latents_of(self, mel: Float[Tensor, "b k m"]) -> Float[Tensor, "b a c"]:
        """Return the latents of a log-mel whose length is a multiple of four hops."""
        rows = rearrange(mel, "b (a j) m -> b a (j m)", j=self.config.hops_per_latent)
        return (rows - self.mean) @ self.basis / self.spread

    def mel_of(self, latents: Float[Tensor, "b a c"]) -> Float[Tensor, "b k m"]:
        """Return the log-mel that the latents stand for."""
        rows = (latents.float() * self.spread) @ self.basis.T + self.mean
        return rearrange(rows, "b a (j m) -> b (a j) m", j=self.config.hops_per_latent)

    def forward(self, waveform: Float[Tensor, "b s"]) -> Float[Tensor, "b a c"]:
        return self.latents_of(self.mel(waveform))


class Controls(NamedTuple):
    """What the network tells the synthesiser: pitch classes a hop, log amplitudes of both sources a frame and bin."""

    pitch: Float[Tensor, "b k f"]
    voiced: Float[Tensor, "b i q"]
    noise: Float[Tensor, "b i q"]


class _Block(nn.Module):
    """ConvNeXt in one dimension: a wide look along time for each channel, then a mixer of channels."""

    def __init__(self, config: AudioVaeConfig) -> None:
        super().__init__()
        width = config.width
        self.look = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)
        self.gain = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, x: Float[Tensor, "b k d"]) -> Float[Tensor, "b k d"]:
        seen = rearrange(self.look(rearrange(x, "b k d -> b d k")), "b d k -> b k d")
        return x + self.gain * self.narrow(F.gelu(self.widen(self.norm(seen))))


class AudioDecoder(nn.Module):
    """Latents -> controls -> waveform. The log-mel gives both envelopes their start; the network adds what is missing."""

    to_bins: Tensor
    hann: Tensor

    def __init__(self, config: AudioVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.latent_channels, config.hops_per_latent * config.width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.pitch = nn.Linear(config.width, config.num_pitches)
        self.envelopes = nn.Linear(config.width, 2 * config.frames_per_hop * config.num_bins)
        nn.init.normal_(self.envelopes.weight, std=1e-3)
        nn.init.zeros_(self.envelopes.bias)
        self.register_buffer("to_bins", _bins_of_mels(config), persistent=False)
        self.register_buffer("hann", torch.hann_window(config.synthesis_window), persistent=False)

    def controls(self, latents: Float[Tensor, "b a c"], mel: Float[Tensor, "b k m"]) -> Controls:
        """Read pitch and envelopes from the latents; `mel` is the log-mel that they stand for."""
        config = self.config
        x = rearrange(self.embed(latents), "b a (j d) -> b (a j) d", j=config.hops_per_latent)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        start = F.interpolate(
            rearrange(mel @ self.to_bins, "b k q -> b q k"),
            scale_factor=float(config.frames_per_hop),
            mode="linear",
        )
        start = rearrange(start, "b q i -> b i q")
        both = rearrange(
            self.envelopes(x).float(), "b k (two l q) -> two b (k l) q", two=2, l=config.frames_per_hop
        )
        voiced, noise = (start + both).clamp(max=MAX_LOG_AMPLITUDE).unbind(0)
        return Controls(self.pitch(x).float(), voiced, noise)

    def pitch_hz(self, pitch: Float[Tensor, "b k f"]) -> Float[Tensor, "b k"]:
        """Return the mean of the classes around the likeliest one."""
        config = self.config
        classes = torch.arange(config.num_pitches, device=pitch.device)
        near = (classes - pitch.argmax(2, keepdim=True)).abs() <= 3
        weights = pitch.masked_fill(~near, -torch.inf).softmax(2)
        cents = (weights * classes).sum(2) * config.cents_per_pitch
        return config.lowest_pitch_hz * torch.exp2(cents / 1200)

    def shape(
        self, source: Float[Tensor, "b s"], log_amplitude: Float[Tensor, "b i q"]
    ) -> Float[Tensor, "b s"]:
        """Filter a source by an envelope that changes with each frame."""
        config = self.config
        spectrum = framed_stft(source, window=self.hann, hop=config.synthesis_hop)[:, : config.num_bins]
        shaped = spectrum * rearrange(log_amplitude.exp(), "b i q -> b q i")
        padded = F.pad(shaped, (0, 0, 0, config.synthesis_window // 2 + 1 - config.num_bins))
        return _overlap_add(padded, window=self.hann, hop=config.synthesis_hop)

    def voice(self, voiced: Float[Tensor, "b i q"], pitch_hz: Float[Tensor, "b k"]) -> Float[Tensor, "b s"]:
        """Return the harmonic part."""
        train = harmonics(pitch_hz, hop=self.config.hop, up_to_hz=self.config.harmonics_to_hz)
        return self.shape(train, voiced)

    def breath(self, noise: Float[Tensor, "b i q"], white: Float[Tensor, "b s"]) -> Float[Tensor, "b s"]:
        """Return the noise part: white noise of variance 1 under the noise envelope."""
        return self.shape(white, noise + self.noise_offset)

    @property
    def noise_offset(self) -> float:
        """Log of white noise's standard deviation over the mel amplitude that it shows."""
        return math.log(self.config.window / 4 / math.sqrt(self.config.window * 3 / 8))

    def forward(self, latents: Float[Tensor, "b a c"], mel: Float[Tensor, "b k m"]) -> Float[Tensor, "b s"]:
        controls = self.controls(latents, mel)
        voice = self.voice(controls.voiced, self.pitch_hz(controls.pitch))
        white = torch.randn(voice.shape[1], generator=torch.Generator().manual_seed(_NOISE_SEED))
        return voice + self.breath(controls.noise, white.to(voice.device).expand_as(voice))


class AudioVae(nn.Module):
    """The codec of one file: an encoder, and a decoder unless the file was written before one was trained."""

    def __init__(self, config: AudioVaeConfig, *, has_decoder: bool = True) -> None:
        super().__init__()
        self.config = config
        self.encoder = AudioEncoder(config)
        self.decoder = AudioDecoder(config) if has_decoder else None

    def mel(self, waveform: Float[Tensor, "b s"]) -> Float[Tensor, "b k m"]:
        """Return the log-mel (nepers), 100 hops a second; hop k is centred in samples [480 k, 480 (k + 1))."""
        return self.encoder.mel(waveform)

    def encode(self, waveform: Float[Tensor, "b s"]) -> Float[Tensor, "b a c"]:
        """Return standardised latents, 25 a second. Raises: ValueError unless 1920 divides the number of samples."""
        return self.encoder(waveform)

    def decode(self, latents: Float[Tensor, "b a c"]) -> Float[Tensor, "b s"]:
        """Return 1920 samples for each latent. Raises: WeightsMissing without a decoder."""
        if self.decoder is None:
            raise WeightsMissing(
                "This audio codec has no decoder; train one with `happyhorse train codec-audio`."
            )
        latents = latents.float()
        return self.decoder(latents, self.encoder.mel_of(latents)).clamp(-1, 1)

    def save(self, path: Path) -> None:
        """Write the encoder in float32, since latents must never change, and the decoder in float16; replaces at once."""
        tensors = {
            name: value.half() if name.startswith("decoder.") else value
            for name, value in self.state_dict().items()
        }
        save_tensors(tensors, path, metadata={"format": FORMAT, "config": json.dumps(asdict(self.config))})

    @classmethod
    def load(cls, path: Path) -> "AudioVae":
        """Read a file of `save`, in float32 and eval mode.

        Raises: WeightsMissing if the file is missing, cut short, of another format, or does not fit its own config.
        """
        with description(path, FORMAT) as metadata:
            config = AudioVaeConfig(**json.loads(metadata["config"]))
        tensors = load_tensors(path)
        vae = cls(config, has_decoder=any(name.startswith("decoder.") for name in tensors))
        fill(vae, tensors, origin=str(path))
        return vae.eval()
