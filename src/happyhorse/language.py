# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""Which script and language a text is in, how many words it has, and how long it takes to say."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from happyhorse.prompt import words
from happyhorse.request import Language

_HAN = r"\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = r"\u3041-\u3096\u30a1-\u30fa\u30fc\uff66-\uff9d"
_HANGUL = r"\u1100-\u11ff\u3131-\u318e\uac00-\ud7af"
_CJK_WIDTH = re.compile(rf"[{_HAN}{_KANA}{_HANGUL}\u3000-\u303f\uff00-\uffef]")


_LETTERS = re.compile(rf"[a-zA-ZÀ-ÖØ-öø-ÿŒœ{_HAN}{_KANA}\u309d\u309e\u30fd\u30fe{_HANGUL}]")
_SPANISH = re.compile(r"[¿¡]\s*\w")
_CANTONESE = re.compile(words.CANTONESE_ONLY)


def is_wide(character: str) -> bool:
    """Whether a character is Chinese, Japanese or Korean, which counts double in the length of a prompt."""
    return _CJK_WIDTH.match(character) is not None


def is_foreign(text: str) -> bool:
    """Whether a text shows that it is in none of the seven languages: letters of another script, or a sentence opened as in Spanish.

    Others that are written in Latin letters do not show it.
    """
    text = unicodedata.normalize("NFKC", text)  # full-width letters are Latin ones
    letters = [character for character in text if character.isalpha()]
    others = sum(_LETTERS.match(character) is None for character in letters)
    return others > max(1, len(letters) / 2) or _SPANISH.search(text) is not None


def has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def count_words(text: str) -> int:
    """Words between spaces; two Chinese characters or kana count as one word."""
    wide = len(re.findall(f"[{_HAN}{_KANA}]", text))
    rest = re.sub(f"[{_HAN}{_KANA}]", " ", text)
    return math.ceil(wide / 2) + len(re.findall(r"[^\W_]+(?:['’\-.][^\W_]+)*", rest))


def language_of(text: str, hint: Language = "en") -> Language:
    """The language of a text by its script, then by its commonest small words; `hint` when nothing tells."""
    kana, hangul = len(re.findall(f"[{_KANA}]", text)), len(re.findall(f"[{_HANGUL}]", text))
    han = len(re.findall(f"[{_HAN}]", text))
    latin = len(re.findall(r"[^\W\d_]{2,}", re.sub(f"[{_HAN}{_KANA}{_HANGUL}]", " ", text)))
    if hangul > max(kana + han, latin / 2):
        return "ko"
    if kana and 2 * (kana + han) > latin:
        return "ja" if kana * 8 >= han else "zh"
    if han and 2 * han > latin:
        if hint in ("ja", "yue"):
            return hint
        cantonese = sum(character in words.CANTONESE for character in text)
        certain = len(_CANTONESE.findall(text))
        return "yue" if certain >= 2 or (certain and 24 * certain + 6 * cantonese >= han) else "zh"
    return _alphabetic(text, hint)


def _alphabetic(text: str, hint: Language) -> Language:
    tokens = re.findall(r"[^\W\d_]+", text.lower())
    scores: dict[Language, float] = {"en": 0.0, "de": 0.0, "fr": 0.0}
    for code in scores:
        scores[code] = float(sum(token in words.STOP_WORDS[code] for token in tokens))
    scores["de"] += 2 * len(re.findall(r"[äöüß]", text, re.IGNORECASE))
    scores["fr"] += 2 * len(re.findall(r"[éèêëçàùûîïôœ]", text, re.IGNORECASE))
    if hint in scores:
        scores[hint] += 0.5
    best = max(scores, key=lambda code: scores[code])
    return best if scores[best] > 0 else "en"


# Syllables a second (morae in Japanese, characters in Chinese) at the pace of the voices of speech.py, within 15 %.
_RATES: Mapping[str, float] = {"en": 4.4, "de": 5.3, "fr": 6.0, "zh": 4.8, "yue": 4.8, "ja": 7.5, "ko": 6.0}
_PAUSE_S = 0.3


def seconds_to_say(text: str, language: str) -> float:
    """How long a line takes to say, with its pauses, rounded up to a tenth of a second."""
    han, kana = len(re.findall(f"[{_HAN}]", text)), len(re.findall(f"[{_KANA}]", text))
    hangul = len(re.findall(f"[{_HANGUL}]", text))
    latin = sum(_syllables(word, language) for word in re.findall(r"[a-zà-öø-ÿœ]+", text.lower()))
    digits = 1.5 * len(re.findall(r"\d", text))
    units = kana + hangul + latin + digits + han * (1.9 if language == "ja" else 1.0)
    stops = len(re.findall(r"[.!?。！？…]+(?=\s*\S)", text)) + 0.5 * len(re.findall(r"[,;:，、；：—–]", text))
    return math.ceil(10 * (units / _RATES[language] + _PAUSE_S * (stops + 1)) - 1e-6) / 10


def _syllables(word: str, language: str) -> int:
    groups = len(re.findall(r"[aeiouyà-æè-ïò-öø-ýÿœ]+", word))
    if language in ("en", "fr") and groups > 1 and re.search(r"[^aeiouyl]e[ds]?$", word):
        groups -= 1
    return max(groups, 1)
