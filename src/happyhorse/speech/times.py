"""When each phoneme sounds: espeak-ng's own marks, set against the samples that it returned."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from happyhorse.errors import InvalidRequest
from happyhorse.speech.phonemes import SILENCE, SONORANTS, STOPS, STRESS, VOWELS, normalised, tone_of
from happyhorse.speech.sound import Samples, faded
from happyhorse.speech.voices import Voice

Event = tuple[int, str, str]
_SWITCH = re.compile(r"\(([a-z-]+)\)")
_CLOSURE_S = 0.09
_CLOSURE_LEVEL = 0.02
_VOWEL_MARK_LATE = 0.4
_VOWEL_MARK_LATE_S = 0.045
_TAIL_S = 0.03
_SHORTEST_PAUSE_S = 0.02
_SHORTEST_S = 0.03


@dataclass(frozen=True)
class Phoneme:
    """One sound. `symbol` is a name of PHONEMES; `stress` is 2 primary, 1 secondary, 0 none."""

    symbol: str
    start_s: float
    duration_s: float
    stress: int = 0
    tone: str = ""
    """A name of TONES, of the vowel or the syllabic nasal that carries it."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What it is as rows: the sound and, right after it, its tone."""
        return (self.symbol, self.tone) if self.tone else (self.symbol,)

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass
class _Mark:
    """A phoneme's start while times are being set, in the helper's samples."""

    symbol: str
    start: int
    stress: int
    tone: str = ""


def _marks(events: list[Event], language: str) -> list[_Mark]:
    marks: list[_Mark] = []
    for start, raw, tone in events:
        switch = _SWITCH.fullmatch(raw)
        if switch:
            language = switch[1]
            continue
        symbol = normalised(raw, language) if raw else SILENCE
        if symbol == SILENCE and marks and marks[-1].symbol == SILENCE:
            continue
        marks.append(_Mark(symbol, start, STRESS.get(raw[:1], 0), tone_of(tone, language)))
    while marks and marks[0].symbol == SILENCE:
        marks.pop(0)
    return marks


def _settle(marks: list[_Mark], samples: NDArray[np.int16], rate: int) -> list[_Mark]:
    """Move the marks to where ear and mouth put them.

    espeak-ng marks a vowel after a nasal or liquid only once the transition is over, and a stop at its burst: its
    closure, a silence before the mark, counts for the sound before. Both marks move back.
    """
    quiet = _quiet_run(samples)
    for before, mark in itertools.pairwise(marks):
        room = mark.start - before.start
        if mark.symbol in STOPS and before.symbol != SILENCE:
            mark.start -= min(int(quiet[min(mark.start, len(quiet) - 1)]), int(_CLOSURE_S * rate), room // 2)
        elif before.symbol in SONORANTS and mark.symbol in VOWELS:
            mark.start -= min(int(room * _VOWEL_MARK_LATE), int(_VOWEL_MARK_LATE_S * rate))
    marks = _without_short_pauses(marks, len(samples), rate)
    _widen(marks, int(_SHORTEST_S * rate))
    return marks


def _without_short_pauses(marks: list[_Mark], num_samples: int, rate: int) -> list[_Mark]:
    """Leave only pauses that part words: a closure's length of silence before a stop is that stop's own."""
    kept: list[_Mark] = []
    for mark, after in itertools.zip_longest(marks, marks[1:]):
        silence_s = ((after.start if after else num_samples) - mark.start) / rate
        if mark.symbol == SILENCE and after and after.symbol in STOPS and silence_s <= _CLOSURE_S:
            after.start = mark.start
        elif mark.symbol != SILENCE or silence_s >= _SHORTEST_PAUSE_S:
            kept.append(mark)
    return kept


def _widen(marks: list[_Mark], shortest: int) -> None:
    """Give sounds that espeak-ng blends into the one before, with no time of their own, the end of that one."""
    for before, mark, after in zip(marks, marks[1:], marks[2:], strict=False):
        lacking = shortest - (after.start - mark.start)
        if lacking > 0 and SILENCE not in (mark.symbol, before.symbol):
            mark.start -= min(lacking, (mark.start - before.start) // 2)


def _quiet_run(samples: NDArray[np.int16]) -> NDArray[np.int64]:
    """For every sample, how many quiet samples lead up to it."""
    index = np.arange(len(samples))
    level = _CLOSURE_LEVEL * float(np.abs(samples).max(initial=0))
    loud = np.where(np.abs(samples) > level, index, 0)
    return index - np.maximum.accumulate(loud)


def timed(events: list[Event], raw: bytes, rate: int, voice: Voice) -> tuple[tuple[Phoneme, ...], Samples]:
    """Return the phonemes of an answer of the helper, from 0 on, and its sound without the silence around it.

    Args:
        events: start in samples, symbol and tone, as the helper gives them.
        raw: 16-bit samples, mono.
        rate: samples a second.
        voice: that spoke.

    Raises: InvalidRequest when nothing was said.
    """
    samples = np.frombuffer(raw, dtype="<i2")
    marks = _settle(_marks(events, voice.espeak_voice.split("+")[0]), samples, rate)
    if not marks:
        raise InvalidRequest(f"The voice {voice.name!r} finds nothing to say in the text.")
    end = len(samples)
    if marks[-1].symbol == SILENCE:
        end = min(marks.pop().start + int(_TAIL_S * rate), len(samples))
    first = marks[0].start
    bounds = [mark.start - first for mark in marks] + [end - first]
    phonemes = tuple(
        Phoneme(mark.symbol, start / rate, (stop - start) / rate, mark.stress, mark.tone)
        for mark, start, stop in zip(marks, bounds, bounds[1:], strict=False)
    )
    return phonemes, faded(samples[first:end].astype(np.float32) / 32768.0, rate)
