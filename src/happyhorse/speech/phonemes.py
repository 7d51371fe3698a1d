# ruff: noqa: RUF001 - phonetic letters look like others on purpose
"""The phonemes: one table of symbols for all seven languages, and what espeak-ng writes for each.

The table is part of every trained file: add at the end, never reorder.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

from happyhorse.bounce import Fall
from happyhorse.shapes import FPS, TIME_STRIDE

PAD, SILENCE, UNKNOWN, IMPACT = "<pad>", "_", "?", "<impact>"
_STOP = "p b t d k ɡ ʔ pʰ tʰ kʰ p͈ t͈ k͈ ts tsʰ tʃ dʒ tɕ tɕʰ dʑ ʈʂ ʈʂʰ pf dz"
_FRICATIVE = "f v θ ð s z ʃ ʒ ç x χ h ɸ ɕ ʑ ʂ ʐ s͈ β ʝ ɣ ɦ"
_SONORANT = "m n ŋ ɲ ɴ n̩ m̩ l ɫ l̩ ʎ r ɹ ɾ ɽ ʁ ʀ j w ɥ ʍ"
_VOWEL = "i ɪ e ɛ æ a ɑ ɒ ɔ o ʊ u ɯ ʌ ɐ ə ɚ ɜ ɝ y ʏ ø œ ɵ ɤ ɨ ʉ ɿ ʅ ɑ̃ ɛ̃ ɔ̃ œ̃"
_GLIDING_VOWEL = "aɪ aʊ eɪ oʊ əʊ ɔɪ ɪə eə ʊə iə aɪə aʊə aɪɚ ɑɹ ɔɹ ɪɹ ɛɹ ʊɹ"
_MANDARIN_FINAL = "ia iɛ iaʊ ioʊ ua uo uaɪ ueɪ uə yɛ yæ yə ʊŋ iʊŋ"
_CANTONESE_FINAL = "aːɪ aːʊ ɐɪ ɐʊ iʊ uɪ ɵy aː aŋ ɛŋ ɪŋ ɔŋ œŋ ɐŋ"
VOWELS = frozenset(f"{_VOWEL} {_GLIDING_VOWEL} {_MANDARIN_FINAL} {_CANTONESE_FINAL}".split())
STOPS = frozenset(_STOP.split())
SONORANTS = frozenset(_SONORANT.split())
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
TONES = ("˥", "˧˥", "˨˩˦", "˥˩", "˧", "˨˩", "˩˧", "˨", "˩")
"""How the voice's pitch goes over a syllable."""
HEIGHTS = tuple(f"<height {level}>" for level in range(17))
"""Where a ball is in a latent's frames: 0 on the floor, the last where it was let go."""
_TO_LAST_S = (TIME_STRIDE - 1) / 2 / FPS
"""From the middle of a latent's frames to the last of them, which is its instant."""
SYMBOLS: tuple[str, ...] = (*" ".join(_TABLE).split(), IMPACT, *TONES, *HEIGHTS)
PHONEMES: dict[str, int] = {symbol: index for index, symbol in enumerate(SYMBOLS)}

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
# espeak-ng's numbers: of Mandarin the contour itself, 11 the neutral tone; of Cantonese the usual numbering, 7 clipped.
_TONES_OF = {
    "cmn": {"55": "˥", "35": "˧˥", "214": "˨˩˦", "21": "˨˩", "51": "˥˩", "11": "˩"},
    "yue": {"1": "˥", "2": "˧˥", "3": "˧", "4": "˨˩", "5": "˩˧", "6": "˨", "7": "˥"},
}
STRESS = {"ˈ": 2, "ˌ": 1}


def phoneme_id(symbol: str) -> int:
    """Return the fixed id (0..254) of a symbol; symbols not in PHONEMES have the id of UNKNOWN."""
    return PHONEMES.get(symbol, PHONEMES[UNKNOWN])


def fall_rows(fall: Fall, seconds: float, *, with_heights: bool) -> list[tuple[int, float, float]]:
    """Return what a network is told of a ball that falls: (phoneme id, start, duration) of its impacts, then, at each latent, of its height."""
    rows = [(phoneme_id(IMPACT), impact.time_s, impact.sound_s) for impact in fall.impacts(seconds)]
    if with_heights:
        latent_s = TIME_STRIDE / FPS
        starts = np.arange(0.0, seconds, latent_s)
        levels = fall.heights(starts - _TO_LAST_S) * (len(HEIGHTS) - 1)
        rows += [
            (phoneme_id(HEIGHTS[round(level)]), float(start_s), latent_s)
            for start_s, level in zip(starts, levels, strict=True)
        ]
    return rows


def tone_of(number: str, language: str) -> str:
    """Return the tone that espeak-ng means by a number in its language (its own name of it), "" for none or in a language without."""
    return _TONES_OF.get(language, {}).get(number, "")


@functools.lru_cache(maxsize=4096)
def normalised(raw: str, language: str) -> str:
    """Return the symbol for what espeak-ng writes in its language (its own name of it); UNKNOWN if there is none."""
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
