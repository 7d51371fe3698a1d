# ruff: noqa: RUF001 - phonetic letters look like others on purpose
"""Text to speech: phonemes, their times, and a waveform, by espeak-ng in a helper process.

The phonemes and times condition the network (nano) and move the drawn mouths (world); the waveform is what the network
learns to say. Nothing here needs torch. The helper (espeak_helper.py) speaks at 22,050 Hz; this file cleans the text,
keeps the helper alive, sets every time against the samples returned and resamples to the package's rate.

    with Speaker() as speaker:
        speech = speaker.say("Good morning!", VOICES["en-us-female"])
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import itertools
import json
import math
import os
import re
import struct
import subprocess
import sys
import threading
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, cast

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from happyhorse.errors import EngineError, InvalidRequest, Unsupported
from happyhorse.shapes import SAMPLE_RATE

MAX_CHARS = 2000

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """One way to speak. `pitch` and `range` are espeak-ng's 0..99, 50 as the voice was made."""

    name: str
    language: str
    espeak_voice: str
    gender: Literal["female", "male"]
    rate_wpm: int = 160
    pitch: int = 50
    range: int = 80


@dataclass(frozen=True)
class Phoneme:
    """One sound. `symbol` is a name of PHONEMES; `stress` is 2 primary, 1 secondary, 0 none."""

    symbol: str
    start_s: float
    duration_s: float
    stress: int = 0

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True)
class Speech:
    """A spoken text: phonemes that follow each other without gaps from 0 to duration_s, and the sound, mono.

    Pauses are phonemes with the symbol SILENCE. `waveform` is empty when only the phonemes were asked for.
    """

    phonemes: tuple[Phoneme, ...]
    duration_s: float
    waveform: Samples = field(repr=False)
    sample_rate: int = SAMPLE_RATE


# Variants were chosen by measure: how well a linear classifier tells the phonemes of unheard sentences apart. f1, m1, m3
# and m7 lead (94-96 %); f3 adds an echo (93 %); the Klatt synthesisers are not clearer (93-94 %). Rates of 150 to 175 and
# any range do equally well; a wide range is less monotonous. Where pitch carries tone, it stays moderate.
_VOICES = (
    Voice("en-us-female", "en", "en-us+f1", "female"),
    Voice("en-us-male", "en", "en-us+m3", "male"),
    Voice("en-us-female-2", "en", "en-us+Annie", "female", pitch=45, range=55),
    Voice("en-us-male-2", "en", "en-us+m7", "male", pitch=65),
    Voice("en-gb-female", "en", "en+f2", "female"),
    Voice("en-gb-male", "en", "en+m1", "male"),
    Voice("zh-female", "zh", "cmn+f1", "female", rate_wpm=195, range=60),
    Voice("zh-male", "zh", "cmn+m3", "male", rate_wpm=195, range=60),
    Voice("yue-female", "yue", "yue+f1", "female", rate_wpm=175, range=60),
    Voice("yue-male", "yue", "yue+m3", "male", rate_wpm=175, range=60),
    Voice("ja-female", "ja", "ja+f1", "female"),
    Voice("ja-male", "ja", "ja+m3", "male"),
    Voice("ko-female", "ko", "ko+f1", "female", rate_wpm=190),
    Voice("ko-male", "ko", "ko+m3", "male", rate_wpm=190),
    Voice("de-female", "de", "de+f1", "female"),
    Voice("de-male", "de", "de+m3", "male"),
    Voice("fr-female", "fr", "fr+f1", "female"),
    Voice("fr-male", "fr", "fr+m3", "male"),
)
VOICES: dict[str, Voice] = {voice.name: voice for voice in _VOICES}
LANGUAGES = tuple(dict.fromkeys(voice.language for voice in _VOICES))


# Phonemes. The table is part of every trained file: add at the end, never reorder.

PAD, SILENCE, UNKNOWN = "<pad>", "_", "?"
_STOP = "p b t d k ɡ ʔ pʰ tʰ kʰ p͈ t͈ k͈ ts tsʰ tʃ dʒ tɕ tɕʰ dʑ ʈʂ ʈʂʰ pf dz"
_FRICATIVE = "f v θ ð s z ʃ ʒ ç x χ h ɸ ɕ ʑ ʂ ʐ s͈ β ʝ ɣ ɦ"
_SONORANT = "m n ŋ ɲ ɴ n̩ m̩ l ɫ l̩ ʎ r ɹ ɾ ɽ ʁ ʀ j w ɥ ʍ"
_VOWEL = "i ɪ e ɛ æ a ɑ ɒ ɔ o ʊ u ɯ ʌ ɐ ə ɚ ɜ ɝ y ʏ ø œ ɵ ɤ ɨ ʉ ɿ ʅ ɑ̃ ɛ̃ ɔ̃ œ̃"
_GLIDING_VOWEL = "aɪ aʊ eɪ oʊ əʊ ɔɪ ɪə eə ʊə iə aɪə aʊə aɪɚ ɑɹ ɔɹ ɪɹ ɛɹ ʊɹ"
_MANDARIN_FINAL = "ia iɛ iaʊ ioʊ ua uo uaɪ ueɪ uə yɛ yæ yə ʊŋ iʊŋ"
_CANTONESE_FINAL = "aːɪ aːʊ ɐɪ ɐʊ iʊ uɪ ɵy aː aŋ ɛŋ ɪŋ ɔŋ œŋ ɐŋ"
_VOWELS = frozenset(f"{_VOWEL} {_GLIDING_VOWEL} {_MANDARIN_FINAL} {_CANTONESE_FINAL}".split())
_STOPS = frozenset(_STOP.split())
_SONORANTS = frozenset(_SONORANT.split())
_TABLE = (
    PAD,
    SILENCE,
    UNKNOWN,
    _STOP,
    _FRICATIVE,
    _SONORANT,
    _VOWEL,
    _GLIDING_VOWEL,
    _MANDARIN_FINAL,
    _CANTONESE_FINAL,
)
PHONEMES: dict[str, int] = {symbol: index for index, symbol in enumerate(" ".join(_TABLE).split())}

# What espeak-ng writes in place of the symbols above, in any language and in one. Lengths and stress are gone by then.
_ALIASES: dict[str, str] = {
    "g": "ɡ", "əl": "l̩", "ᵻ": "ɪ", "ɜɹ": "ɝ", "ər": "ɚ", "r̩": "ɚ", "ɑu": "aʊ", "au": "aʊ", "ai": "aɪ", "ei": "eɪ", "ou": "oʊ",
    "oi": "ɔɪ", "ɔø": "ɔɪ", "ɔy": "ɔɪ", "iɑ": "ia", "iou": "ioʊ", "uai": "uaɪ", "uei": "ueɪ", "onɡ": "ʊŋ", "ũ": "ɴ", "ɯᵝ": "ɯ",
    "ʲ": "j", "nɡ": "ŋ", "l̴": "ɫ", "ts.": "ʈʂ", "ts.h": "ʈʂʰ", "s.": "ʂ", "ph": "pʰ", "th": "tʰ", "kh": "kʰ", "tsh": "tsʰ",
    "tɕh": "tɕʰ", "tʃh": "tʃ", "i.": "ʅ", "i̪": "ɿ", "q": "k͈", "ɐɹ": "ɚ", "oɹ": "ɔɹ", "eɹ": "ɛɹ", "iɹ": "ɪɹ", "uɹ": "ʊɹ",
}  # fmt: skip
_ALIASES_OF: dict[str, dict[str, str]] = {
    "cmn": {"χ": "x"},
    "yue": {
        "b": "p", "p": "pʰ", "d": "t", "t": "tʰ", "ɡ": "k", "k": "kʰ", "z": "ts", "c": "tsʰ", "aa": "aː", "a": "ɐ", "aai": "aːɪ",
        "aau": "aːʊ", "ai": "ɐɪ", "au": "ɐʊ", "yu": "y", "eo": "ɵ", "oe": "œ", "eoi": "ɵy", "iu": "iʊ", "ui": "uɪ", "e": "ɛ",
        "o": "ɔ", "anɡ": "ɐŋ", "aanɡ": "aŋ", "enɡ": "ɛŋ", "inɡ": "ɪŋ", "onɡ": "ɔŋ", "unɡ": "ʊŋ", "oenɡ": "œŋ", "kw": "kʰ",
    },
    "ko": {"p-": "p͈", "t-": "t͈", "k-": "k͈", "q-": "k͈", "s-": "s͈", "q": "ɡ", "ɐ": "a"},
    "de": {"ɜ": "ɐ"},
}  # fmt: skip
_STRESS = {"ˈ": 2, "ˌ": 1}
_SWITCH = re.compile(r"\(([a-z-]+)\)")


def phoneme_id(symbol: str) -> int:
    """Return the fixed id (0..254) of a symbol; symbols not in PHONEMES have the id of UNKNOWN."""
    return PHONEMES.get(symbol, PHONEMES[UNKNOWN])


@functools.lru_cache(maxsize=4096)
def _normalised(raw: str, language: str) -> str:
    bare = raw.strip("ˈˌ").replace("ː", "").replace("\u0361", "")
    without_dash = bare.rstrip("-")
    aliases = _ALIASES_OF.get(language, {})
    for candidate in (bare, without_dash, _without_marks(without_dash), without_dash[:1]):
        symbol = aliases.get(candidate) or _ALIASES.get(candidate, candidate)
        if symbol in PHONEMES:
            return symbol
    return UNKNOWN


def _without_marks(symbol: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", symbol) if not unicodedata.combining(char))


# Mouths


@dataclass(frozen=True)
class Mouth:
    """A mouth's shape: open 0..1, wide from -1 (rounded) to 1 (spread), teeth 0..1, and whether something closes it."""

    open: float
    wide: float = 0.0
    teeth: float = 0.0
    closed: Literal["", "lips", "lip_teeth", "tongue"] = ""


_REST = Mouth(0.0)
_LIPS = Mouth(0.0, 0.0, 0.0, "lips")
_TONGUE = Mouth(0.16, 0.1, 0.3, "tongue")
_NARROW = Mouth(0.12, 0.3, 1.0)
_HUSH = Mouth(0.18, -0.55, 0.8)
_BACK = Mouth(0.22, 0.0, 0.1)
VISEMES: dict[str, Mouth] = {
    PAD: _REST, SILENCE: _REST, UNKNOWN: Mouth(0.25),
    **dict.fromkeys("pbm", _LIPS), "ɸ": Mouth(0.06, -0.2), "β": Mouth(0.06),
    **dict.fromkeys("fv", Mouth(0.08, 0.1, 0.7, "lip_teeth")), **dict.fromkeys("θð", Mouth(0.18, 0.1, 0.6, "tongue")),
    **dict.fromkeys("tdnlɫɾɽɲʎ", _TONGUE), **dict.fromkeys("sz", _NARROW), **dict.fromkeys("ʃʒʂʐʈ", _HUSH),
    **dict.fromkeys("ɕʑçʝ", Mouth(0.14, 0.5, 0.8)), **dict.fromkeys("kɡŋɴxχɣʁʀʔ", _BACK), **dict.fromkeys("hɦ", Mouth(0.3)),
    "r": Mouth(0.2, -0.1, 0.2, "tongue"), "ɹ": Mouth(0.2, -0.45), "j": Mouth(0.18, 0.7, 0.3),
    **dict.fromkeys("wʍ", Mouth(0.12, -1.0)), "ɥ": Mouth(0.12, -0.9),
    **dict.fromkeys("iɿ", Mouth(0.22, 1.0, 0.4)), "ʅ": Mouth(0.2, 0.3, 0.4), "ɪ": Mouth(0.3, 0.7, 0.3), "e": Mouth(0.42, 0.8, 0.3),
    "ɛ": Mouth(0.58, 0.6, 0.2), "æ": Mouth(0.78, 0.6, 0.2), "a": Mouth(0.95, 0.25, 0.1), "ɑ": Mouth(1.0), "ɒ": Mouth(0.8, -0.4),
    "ɔ": Mouth(0.65, -0.6), "o": Mouth(0.45, -0.8), "ʊ": Mouth(0.3, -0.7), "u": Mouth(0.2, -1.0), "ɯ": Mouth(0.25, 0.3, 0.2),
    "ʌ": Mouth(0.65, 0.1), "ɐ": Mouth(0.7, 0.15), "ə": Mouth(0.4, 0.05), **dict.fromkeys("ɚɜɝ", Mouth(0.4, -0.3)),
    "y": Mouth(0.2, -0.9), "ʏ": Mouth(0.28, -0.75), "ø": Mouth(0.38, -0.75), "œ": Mouth(0.5, -0.6), "ɵ": Mouth(0.4, -0.6),
    "ɤ": Mouth(0.42, 0.1), "ɨ": Mouth(0.25, 0.4, 0.2), "ʉ": Mouth(0.22, -0.8),
}  # fmt: skip


@functools.lru_cache(maxsize=8192)
def mouth(symbol: str, at: float = 0.5) -> Mouth:
    """Return the mouth's shape `at` 0..1 of the way through a phoneme; gliding vowels move, the others stay.

    Unknown symbols look like UNKNOWN.
    """
    stations = [VISEMES[char] for char in _stations(symbol)] or [VISEMES[UNKNOWN]]
    place = min(max(at, 0.0), 1.0) * len(stations) - 0.5
    index = min(max(math.floor(place), 0), len(stations) - 1)
    first, second = stations[index], stations[min(index + 1, len(stations) - 1)]
    mix = min(max(place - index, 0.0), 1.0)
    nearest = second if mix > 0.5 else first
    return Mouth(
        first.open + (second.open - first.open) * mix,
        first.wide + (second.wide - first.wide) * mix,
        first.teeth + (second.teeth - first.teeth) * mix,
        nearest.closed,
    )


def _stations(symbol: str) -> tuple[str, ...]:
    if symbol in VISEMES or symbol not in PHONEMES:
        return (symbol,) if symbol in VISEMES else ()
    return tuple(char for char in symbol if char in VISEMES)


# Text

_CJK = {"zh": {"han"}, "yue": {"han"}, "ja": {"han", "kana"}, "ko": {"hangul"}}
_SCRIPT_OF = {
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
    "KATAKANA-HIRAGANA": "kana",
    "HANGUL": "hangul",
}
_SPOKEN_BY = {"han": "zh, yue and ja", "kana": "ja", "hangul": "ko"}
_FIRST_PICTOGRAPH = 0x2600
# Full-width signs carry their own space; espeak-ng pauses at the plain ones only before a space.
_SPACED = str.maketrans({wide: f"{plain} " for wide, plain in zip("，！？：；", ",!?:;", strict=True)})
_PHONEME_INPUT = re.compile(r"(\[(?=\[)|\](?=\]))")


def clean(text: str, language: str) -> str:
    """Return the plain text that espeak-ng will be given.

    Raises: InvalidRequest for text that is empty or longer than MAX_CHARS; Unsupported for a script that the language's
    voices cannot read, and for Japanese kanji without janome.
    """
    if len(text) > MAX_CHARS:
        raise InvalidRequest(
            f"The text to speak has {len(text)} characters; at most {MAX_CHARS} are allowed."
        )
    plain = "".join(
        char if _is_speakable(char) else " "
        for char in unicodedata.normalize("NFKC", text.translate(_SPACED))
    )
    plain = " ".join(_PHONEME_INPUT.sub(r"\1 ", plain).split())
    if not any(char.isalnum() for char in plain):
        raise InvalidRequest("The text to speak has no word in it.")
    _check_scripts(plain, language)
    return _kana(plain) if language == "ja" else plain


def _is_speakable(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind[0] != "C" and not (kind in ("So", "Sk") and ord(char) >= _FIRST_PICTOGRAPH)


def _scripts(text: str) -> set[str]:
    names = {unicodedata.name(char, "").split(" ")[0] for char in text if char.isalpha()}
    return {_SCRIPT_OF[name] for name in names if name in _SCRIPT_OF}


def _check_scripts(text: str, language: str) -> None:
    foreign = sorted(_scripts(text) - _CJK.get(language, set()))
    if foreign:
        raise Unsupported(
            f"The text holds {foreign[0]} characters, which the language {language!r} does not read; "
            f"voices of {_SPOKEN_BY[foreign[0]]} do."
        )


class _Token(Protocol):
    surface: str
    phonetic: str
    part_of_speech: str


class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> list[_Token]: ...


@functools.cache
def _tokenizer() -> _Tokenizer | None:
    try:
        module = importlib.import_module("janome.tokenizer")
    except ImportError:
        return None
    return cast(_Tokenizer, module.Tokenizer())


def _kana(text: str) -> str:
    tokenizer = _tokenizer()
    if tokenizer is None:
        if "han" in _scripts(text):
            raise Unsupported(
                "Japanese text with kanji needs the package janome, which is not installed; "
                "install it or write the text in kana."
            )
        return text
    words: list[str] = []
    for token in tokenizer.tokenize(text):
        known = token.phonetic not in ("*", "")
        reading = token.phonetic if known else token.surface
        # Particles and endings lean on the word before them.
        leans = token.part_of_speech.startswith(("助詞", "助動詞", "記号")) or ",接尾" in token.part_of_speech
        words.append(reading if leans or not words else f" {reading}")
    return "".join(words)


# Sound

_CLOSURE_S = 0.09
_CLOSURE_LEVEL = 0.02
_VOWEL_MARK_LATE = 0.4
_VOWEL_MARK_LATE_S = 0.045
_TAIL_S = 0.03
_FADE_S = 0.004
_SHORTEST_PAUSE_S = 0.02
_SHORTEST_S = 0.03
_TAPS_EACH_SIDE = 24


@functools.cache
def _resampling_matrix(rate_in: int, rate_out: int) -> tuple[NDArray[np.float32], int]:
    """One block of a windowed-sinc polyphase filter as a matrix: `down` samples and their neighbours -> `up` samples."""
    common = math.gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    cutoff = min(1.0, up / down) * 0.96
    source = np.arange(-_TAPS_EACH_SIDE, down + _TAPS_EACH_SIDE)[:, None]
    distance = np.arange(up)[None, :] * (down / up) - source
    window = np.where(
        np.abs(distance) < _TAPS_EACH_SIDE, np.cos(np.pi / 2 * distance / _TAPS_EACH_SIDE) ** 2, 0.0
    )
    kernel = cutoff * np.sinc(cutoff * distance) * window
    return (kernel / kernel.sum(axis=0)).astype(np.float32), down


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """Return the sound at another rate; ceil(len * rate_out / rate_in) samples."""
    if rate_in == rate_out or not len(samples):
        return samples
    matrix, down = _resampling_matrix(rate_in, rate_out)
    num_blocks = math.ceil(len(samples) / down)
    padded = np.zeros(num_blocks * down + 2 * _TAPS_EACH_SIDE, dtype=np.float32)
    padded[_TAPS_EACH_SIDE : _TAPS_EACH_SIDE + len(samples)] = samples
    blocks = np.lib.stride_tricks.sliding_window_view(padded, down + 2 * _TAPS_EACH_SIDE)[::down]
    out: Samples = (np.ascontiguousarray(blocks) @ matrix).reshape(-1)
    return out[: math.ceil(len(samples) * rate_out / rate_in)]


@dataclass
class _Mark:
    """A phoneme's start while times are being set, in the helper's samples."""

    symbol: str
    start: int
    stress: int


def _marks(events: list[tuple[int, str]], language: str) -> list[_Mark]:
    marks: list[_Mark] = []
    for start, raw in events:
        switch = _SWITCH.fullmatch(raw)
        if switch:
            language = switch[1]
            continue
        symbol = _normalised(raw, language) if raw else SILENCE
        if symbol == SILENCE and marks and marks[-1].symbol == SILENCE:
            continue
        marks.append(_Mark(symbol, start, _STRESS.get(raw[:1], 0)))
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
        if mark.symbol in _STOPS and before.symbol != SILENCE:
            mark.start -= min(int(quiet[min(mark.start, len(quiet) - 1)]), int(_CLOSURE_S * rate), room // 2)
        elif before.symbol in _SONORANTS and mark.symbol in _VOWELS:
            mark.start -= min(int(room * _VOWEL_MARK_LATE), int(_VOWEL_MARK_LATE_S * rate))
    marks = _without_short_pauses(marks, len(samples), rate)
    _widen(marks, int(_SHORTEST_S * rate))
    return marks


def _without_short_pauses(marks: list[_Mark], num_samples: int, rate: int) -> list[_Mark]:
    """Leave only pauses that part words: a closure's length of silence before a stop is that stop's own."""
    kept: list[_Mark] = []
    for mark, after in itertools.zip_longest(marks, marks[1:]):
        silence_s = ((after.start if after else num_samples) - mark.start) / rate
        if mark.symbol == SILENCE and after and after.symbol in _STOPS and silence_s <= _CLOSURE_S:
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


def _timed(
    events: list[tuple[int, str]], raw: bytes, rate: int, voice: Voice
) -> tuple[tuple[Phoneme, ...], Samples]:
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
        Phoneme(mark.symbol, start / rate, (stop - start) / rate, mark.stress)
        for mark, start, stop in zip(marks, bounds, bounds[1:], strict=False)
    )
    return phonemes, _faded(samples[first:end].astype(np.float32) / 32768.0, rate)


def _faded(samples: Samples, rate: int) -> Samples:
    length = min(int(_FADE_S * rate), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    samples[:length] *= ramp
    samples[len(samples) - length :] *= ramp[::-1]
    return samples


# The helper process

# espeak-ng leaves about 90 kB behind each time it is loaded; a new helper takes 0.06 s.
_HELPER_LASTS = 500


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
        phonemes, samples = _timed(cast(list[tuple[int, str]], header["events"]), raw, rate, voice)
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
