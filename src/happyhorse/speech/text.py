# ruff: noqa: RUF001 - full-width signs look like others on purpose
"""The text that espeak-ng is given: plain, in a script that the voice reads, Japanese in kana."""

from __future__ import annotations

import functools
import importlib
import re
import unicodedata
from typing import Protocol, cast

from happyhorse.errors import InvalidRequest, Unsupported

MAX_CHARS = 2000

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
                "pip install 'happyhorse[ja]', or write the text in kana."
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
