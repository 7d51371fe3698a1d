"""Text to speech: phonemes, their times, and a waveform, by espeak-ng in a helper process.

The phonemes and times condition the network (nano) and move the drawn mouths (world); the waveform is what the network
learns to say. Nothing here needs torch.

    text             what the voice is given to read
    espeak_helper    the program of the helper process; speaks at 22,050 Hz
    times            every time set against the samples returned
    sound            to the package's rate
    phonemes, mouths, voices    the tables

    with Speaker() as speaker:
        speech = speaker.say("Good morning!", VOICES["en-us-female"])
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import cast

import espeakng_loader
import numpy as np

from happyhorse.errors import EngineError
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.speech.phonemes import phoneme_id
from happyhorse.speech.sound import Samples, resample
from happyhorse.speech.text import clean
from happyhorse.speech.times import Event, Phoneme, timed
from happyhorse.speech.voices import VOICES, Voice

# espeak-ng leaves about 90 kB behind each time it is loaded; a new helper takes 0.06 s.
_HELPER_LASTS = 500


@dataclass(frozen=True)
class Speech:
    """A spoken text: phonemes that follow each other without gaps from 0 to duration_s, and the sound, mono.

    Pauses are phonemes with the symbol SILENCE. `waveform` is empty when only the phonemes were asked for.
    """

    phonemes: tuple[Phoneme, ...]
    duration_s: float
    waveform: Samples = field(repr=False)
    sample_rate: int = SAMPLE_RATE

    def rows(self, start_s: float = 0.0) -> list[tuple[int, float, float]]:
        """Return what a network is told, from `start_s` on: (phoneme id, start, duration); a tone comes right after its sound."""
        return [
            (phoneme_id(symbol), start_s + phoneme.start_s, phoneme.duration_s)
            for phoneme in self.phonemes
            for symbol in phoneme.symbols
        ]


class _Helper:
    """One running espeak_helper."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("espeak_helper.py")
        # -I and -S: nothing of the surrounding project is imported, and it starts fast.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(program),
                espeakng_loader.get_library_path(),
                espeakng_loader.get_data_path(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self.num_asked = 0

    def ask(self, request: dict[str, str | int], timeout_s: float) -> tuple[dict[str, object], bytes]:
        """Return the answer's header and samples. Raises: OSError when the helper has died or is killed for its silence."""
        self.num_asked += 1
        watchdog = threading.Timer(timeout_s, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            raw = json.dumps(request).encode()
            self._write(struct.pack("<I", len(raw)) + raw)
            (size,) = struct.unpack("<I", self._read(4))
            header: dict[str, object] = json.loads(self._read(size))
            return header, self._read(2 * cast(int, header.get("num_samples", 0)))
        finally:
            watchdog.cancel()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def abandon(self) -> None:
        """Forget a helper that belongs to the process this one was forked from."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.returncode = 0

    def _write(self, raw: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(raw)
        self._process.stdin.flush()

    def _read(self, size: int) -> bytes:
        assert self._process.stdout
        raw = self._process.stdout.read(size)
        if len(raw) < size:
            raise BrokenPipeError("the speech helper has ended")
        return raw


class Speaker:
    """Speaks. Owns one helper process, started at the first use and once more if it dies or hangs; safe to share by threads.

    After a fork the child starts a helper of its own.
    """

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._helper: _Helper | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Speaker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def helper_pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def say(
        self, text: str, voice: Voice, *, rate_wpm: int | None = None, pitch: int | None = None
    ) -> Speech:
        """Return the text spoken, at SAMPLE_RATE.

        Raises: InvalidRequest or Unsupported as `clean`; EngineError when the helper fails twice.
        """
        phonemes, samples, rate = self._spoken(text, voice, rate_wpm=rate_wpm, pitch=pitch)
        waveform = resample(samples, rate, SAMPLE_RATE)
        return Speech(phonemes, len(samples) / rate, waveform)

    def phonemes(
        self, text: str, voice: Voice, *, rate_wpm: int | None = None, pitch: int | None = None
    ) -> Speech:
        """Return the same phonemes and times as `say`, without the waveform. Raises: as `say`."""
        phonemes, samples, rate = self._spoken(text, voice, rate_wpm=rate_wpm, pitch=pitch)
        return Speech(phonemes, len(samples) / rate, np.zeros(0, dtype=np.float32))

    def close(self) -> None:
        """End the helper and wait for it. Later calls of `say` raise EngineError."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            self._closed = True
            self._drop()

    def _spoken(
        self, text: str, voice: Voice, *, rate_wpm: int | None, pitch: int | None
    ) -> tuple[tuple[Phoneme, ...], Samples, int]:
        request: dict[str, str | int] = {
            "text": clean(text, voice.language),
            "voice": voice.espeak_voice,
            "rate": rate_wpm or voice.rate_wpm,
            "pitch": voice.pitch if pitch is None else pitch,
            "range": voice.range,
        }
        header, raw = self._asked(request)
        if "error" in header:
            raise EngineError(f"The speech helper failed: {header['error']}.")
        rate = cast(int, header["sample_rate"])
        phonemes, samples = timed(cast(list[Event], header["events"]), raw, rate, voice)
        return phonemes, samples, rate

    def _asked(self, request: dict[str, str | int]) -> tuple[dict[str, object], bytes]:
        if os.getpid() != self._owner:
            self._become_own()
        with self._lock:
            if self._closed:
                raise EngineError("This speaker is closed.")
            try:
                return self._once(request)
            except OSError:
                self._drop()
            try:
                return self._once(request)
            except OSError as err:
                self._drop()
                raise EngineError(f"The speech helper ended twice while it spoke ({err}).") from err

    def _once(self, request: dict[str, str | int]) -> tuple[dict[str, object], bytes]:
        if self._helper and self._helper.num_asked >= _HELPER_LASTS:
            self._drop()
        if self._helper is None:
            self._helper = _Helper()
        return self._helper.ask(request, self._timeout_s)

    def _drop(self) -> None:
        if self._helper:
            self._helper.close()
            self._helper = None

    def _become_own(self) -> None:
        # The lock may have been held by another thread when the fork happened.
        if self._helper:
            self._helper.abandon()
        self._helper, self._owner, self._lock = None, os.getpid(), threading.Lock()


@functools.cache
def process_speaker() -> Speaker:
    """Return this process's own speaker, closed at exit: for training workers, which call it anew in each process."""
    speaker = Speaker()
    atexit.register(speaker.close)
    return speaker


def speak(text: str, voice_name: str, *, rate_wpm: int | None = None, pitch: int | None = None) -> Speech:
    """Return the text spoken by this process's own speaker. Raises: as Speaker.say; KeyError for an unknown voice."""
    return process_speaker().say(text, VOICES[voice_name], rate_wpm=rate_wpm, pitch=pitch)
