# ruff: noqa: RUF001 - phonetic letters look like others on purpose
"""The mouth's shape for each phoneme, for the drawn world."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

from happyhorse.speech.phonemes import PAD, PHONEMES, SILENCE, UNKNOWN


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
