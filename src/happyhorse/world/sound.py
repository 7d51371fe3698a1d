"""A scene becomes sound: the line as spoken, in its room, over the place's ambience. Mono, float32, 48 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from happyhorse.shapes import SAMPLE_RATE
from happyhorse.speech.speaker import Speech, process_speaker
from happyhorse.speech.voices import VOICES
from happyhorse.world.scene import OPEN_AIR, Scene

Sound = NDArray[np.float32]

SPEECH_RMS = 0.10
_RATE_SPREAD = 0.12
_RING_S = 0.35


def speak_line(scene: Scene, *, aloud: bool = True) -> Speech | None:
    """Return the scene's line as its person says it, or None where nobody speaks; not `aloud`: phonemes and times alone.

    The pace is part of the person's manner.
    """
    if not scene.line:
        return None
    manner = np.random.default_rng((scene.person.manner, 1))
    voice = VOICES[scene.person.voice]
    rate_wpm = round(voice.rate_wpm * (1 + _RATE_SPREAD * float(manner.uniform(-1, 1))))
    speaker = process_speaker()
    say = speaker.say if aloud else speaker.phonemes
    return say(scene.line, voice, rate_wpm=rate_wpm)


def _noise(
    rng: np.random.Generator, num_samples: int, low_hz: float, high_hz: float, tilt: float
) -> NDArray[np.float64]:
    """Noise between two frequencies whose spectrum falls as 1 / f**tilt, unit RMS."""
    size = 1 << (num_samples - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    shape = np.where((hz > low_hz) & (hz < high_hz), np.maximum(hz, 20.0) ** -tilt, 0.0)
    noise = np.fft.irfft(spectrum * shape, size)[:num_samples]
    return np.asarray(noise / (np.sqrt(np.mean(noise**2)) + 1e-12))


def _rain(rng: np.random.Generator, num_samples: int, *, outside: bool) -> NDArray[np.float64]:
    hiss = _noise(rng, num_samples, 600 if outside else 200, 14_000 if outside else 4_000, 0.6)
    drops = np.zeros(num_samples)
    for at in rng.integers(0, num_samples, max(1, num_samples // 1600)):
        length = min(int(rng.integers(120, 420)), num_samples - int(at))
        time = np.arange(length)
        drops[at : at + length] += (
            rng.uniform(0.2, 1) * np.sin(time * rng.uniform(0.08, 0.4)) * np.exp(-time / 60)
        )
    return 0.022 * hiss + 0.03 * drops


def ambience(scene: Scene, num_samples: int) -> NDArray[np.float64]:
    """The place's own sound: room tone, surf, birds, traffic, cups, and rain where it rains."""
    rng = np.random.default_rng((scene.seed, 11))
    seconds: NDArray[np.float64] = np.arange(num_samples) / SAMPLE_RATE
    outside = scene.environment in OPEN_AIR
    sound: NDArray[np.float64] = 0.0035 * _noise(rng, num_samples, 30, 6000, 1.0)
    match scene.environment:
        case "beach":
            swell = 0.45 + 0.55 * np.sin(2 * np.pi * seconds / rng.uniform(3.5, 5.5) + rng.uniform(0, 6)) ** 2
            sound += 0.030 * swell * _noise(rng, num_samples, 120, 9000, 0.7)
        case "forest":
            sound += 0.006 * _noise(rng, num_samples, 300, 7000, 0.6)
            for _ in range(max(1, int(seconds[-1] * 1.1))):
                start, length = float(rng.uniform(0, seconds[-1])), float(rng.uniform(0.08, 0.22))
                local = (seconds - start) / length
                hz = rng.uniform(2600, 4800) * (1 + 0.16 * np.sin(2 * np.pi * 3 * np.clip(local, 0, 1)))
                sound += np.where(
                    (local > 0) & (local < 1),
                    0.022 * np.sin(np.pi * np.clip(local, 0, 1)) * np.sin(2 * np.pi * hz * seconds),
                    0,
                )
        case "street":
            rumble = 0.6 + 0.4 * np.sin(2 * np.pi * seconds / rng.uniform(2.5, 5) + rng.uniform(0, 6))
            sound += 0.024 * rumble * _noise(rng, num_samples, 40, 1200, 0.9)
        case "cafe":
            sound += (
                0.010
                * _noise(rng, num_samples, 150, 2500, 0.8)
                * (1 + 0.4 * np.sin(2 * np.pi * 3.1 * seconds) * np.sin(2 * np.pi * 0.7 * seconds))
            )
            for _ in range(max(1, int(seconds[-1] * 0.5))):
                start_s, tone_hz = float(rng.uniform(0, seconds[-1])), float(rng.uniform(2200, 3800))
                since = np.clip(seconds - start_s, 0, None)
                sound += 0.014 * np.where(
                    seconds > start_s, np.sin(2 * np.pi * tone_hz * since) * np.exp(-since * 28), 0
                )
        case "office" | "kitchen":
            sound += 0.004 * np.sin(2 * np.pi * 100 * seconds) + 0.002 * np.sin(2 * np.pi * 200 * seconds)
        case _:
            pass
    if scene.weather == "rain" and scene.environment not in ("plain", "studio"):
        sound += _rain(rng, num_samples, outside=outside) * (1.0 if outside else 0.7)
    return sound


def impacts(scene: Scene, num_samples: int) -> NDArray[np.float64]:
    """The ball on the table: for each impact a knock and the table's own dull tone after it."""
    sound: NDArray[np.float64] = np.zeros(num_samples)
    if scene.ball is None:
        return sound
    rng = np.random.default_rng((scene.seed, 13))
    tone_hz = rng.uniform(150, 260) if scene.environment in OPEN_AIR else rng.uniform(110, 190)
    time_s = np.arange(round(_RING_S * SAMPLE_RATE)) / SAMPLE_RATE
    knock = _noise(rng, len(time_s), 900, 7000, 0.5) * np.exp(-time_s / 0.006)
    ring = sum(
        weight * np.sin(2 * np.pi * tone_hz * ratio * time_s) * np.exp(-time_s * ratio / 0.045)
        for ratio, weight in ((1.0, 1.0), (2.3, 0.45), (4.1, 0.2))
    )
    for impact in scene.ball.fall.impacts(num_samples / SAMPLE_RATE):
        at = round(impact.time_s * SAMPLE_RATE)
        heard = (0.30 * ring + 0.10 * knock)[: num_samples - at]
        sound[at : at + len(heard)] += impact.speed**1.3 * heard
    return sound


def render(scene: Scene, speech: Speech | None, *, num_samples: int) -> Sound:
    """Return the clip's sound; the voice starts at `scene.line_start_s` and stays on top of the ambience."""
    mix = ambience(scene, num_samples) + impacts(scene, num_samples)
    if speech is not None:
        voice = speech.waveform.astype(np.float64)
        level = np.sqrt(np.mean(voice[np.abs(voice) > 0.02 * np.abs(voice).max()] ** 2) + 1e-12)
        start = round(scene.line_start_s * SAMPLE_RATE)
        voice = (SPEECH_RMS / level * voice)[: max(0, num_samples - start)]
        mix[start : start + len(voice)] += voice
    return np.tanh(mix).astype(np.float32)
