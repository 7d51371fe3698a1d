# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""A prompt as tokens, each with the part it speaks of: one pass, one look-up a token, no search through alternatives.

A Latin word is a token; in Chinese and Japanese the longest entry of the lexicon is, else one character; in Korean what stands between
spaces. A quotation, blanked by `lines.py`, is one token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from happyhorse.prompt import lexicon
from happyhorse.prompt.lexicon import Part
from happyhorse.request import Language

FILLER = "\ufffc"
Kind = Part | Literal["verb", "quote", "wear"] | None


@dataclass(frozen=True, slots=True)
class Token:
    """A word and what it speaks of. `start` and `end` are character positions in the prompt."""

    start: int
    end: int
    text: str
    kind: Kind
    weight: int = 0
    verb: bool = False
    """Whether it may be a verb; its place in the clause decides."""


_LETTER = r"[^\W\d_\u2e80-\u9fff\uf900-\ufaff]"
_WORD = re.compile(
    rf"{FILLER}[{FILLER}.!?。！？]*|{_LETTER}+(?:['’\-]{_LETTER}+)*|\d+[a-z]*|[\u2e80-\u9fff\uf900-\ufaff]|\S"
)
_CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_MAX_PHRASE = 3
_MAX_ENTRY = 12
_MAX_WORD = 40
_ARTICLES = lexicon.word_set("the a die der la zur")
_AIMS = lexicon.word_set(
    "to into at toward towards facing in zur à vers face directly straight gegen regarde regardent fixe watching"
)


@cache
def _table(language: Language) -> dict[str, tuple[Kind, int]]:
    """word -> (part, weight), for one language and English."""
    own = "zh" if language == "yue" else language
    table: dict[str, tuple[Kind, int]] = {}
    for code in (own, "en") if own in ("zh", "ja", "ko") else (own,):
        for part, weight, rows in lexicon.WEIGHTS:
            for word in rows[code].split("|"):
                table.setdefault(word.lower(), (part, weight))
        for word in lexicon.NOUNS.get(code, ()):
            table.setdefault(word, (None, 0))
        for word in lexicon.VERBS.get(code, ()):
            table.setdefault(word, ("verb", 0))
    for word in lexicon.WEAR.split("|"):
        if own != "en" or word.isascii():
            table.setdefault(word, ("wear", 0))
    if own != "en":
        for word in ("close-up", "zoom", "travelling", "dolly"):
            table.setdefault(word, ("camera", 3))
    return table


def tokens_of(directions: str, language: Language, first: int, last: int) -> list[Token]:
    """The tokens of directions[first:last]; quotations are blanked."""
    table = _table(language)
    tokens: list[Token] = []
    position = first
    while match := _WORD.search(directions, position, last):
        start, end = match.span()
        word = match[0]
        if word[0] == FILLER:
            tokens.append(Token(start, end, FILLER, "quote"))
        elif _CJK.match(word):
            end = _longest(directions, start, language)
            text = directions[start:end]
            kind, weight = table.get(text, (None, 0))
            tokens.append(Token(start, end, text, kind, weight, kind == "verb"))
        elif word[0].isalnum():
            kind, weight = _korean(word, table) if _HANGUL.match(word) else _latin(word.lower(), language)
            verb = _is_verb(word.lower(), kind, weight, language)
            if language == "de" and kind is None and tokens:
                verb = verb or _german_verb(word, directions[tokens[-1].start : tokens[-1].end])
            tokens.append(Token(start, end, word.lower(), kind, weight, verb))
        else:
            tokens.append(Token(start, end, word, None))
        position = end
    return _not_the_camera(list(_phrases(tokens, language)))


@cache
def _lengths(language: Language) -> dict[str, tuple[int, ...]]:
    """first character -> lengths of the entries that begin with it, longest first."""
    lengths: dict[str, set[int]] = {}
    for word in _table(language):
        lengths.setdefault(word[0], set()).add(len(word))
    return {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}


@cache
def _phrase_starts(language: Language) -> frozenset[str]:
    return frozenset(word.split(" ")[0] for word in _table(language) if " " in word)


def _longest(text: str, start: int, language: Language) -> int:
    table = _table(language)
    for length in _lengths(language).get(text[start], ()):
        if text[start : start + length] in table:
            return min(start + length, len(text))
    return start + 1


_KO_PARTICLE = re.compile(r"(?:에서|에는|에|을|를|은|는|이|가|의|로|으로|도|과|와|마다|처럼)?$")


def _korean(word: str, table: dict[str, tuple[Kind, int]]) -> tuple[Kind, int]:
    for length in range(min(len(word), _MAX_ENTRY), 0, -1):
        found = table.get(word[:length])
        if found and (length > 1 or _KO_PARTICLE.match(word, length)):
            return found
    return None, 0


_NOUNS_IN_PRACTICE = lexicon.word_set(
    "light lights shadow shadows color colors colour colours floating feeling shot notes"
)
_NOT_GERMAN_VERBS = lexicon.word_set(
    "nicht jetzt sonst selbst fast erst meist recht seit dicht leicht sanft weit"
)


def _german_verb(word: str, before: str) -> bool:
    """A word in -t that is not capital, after one that is: "Der Junge streckt"."""
    return (
        len(word) > 3
        and word.endswith("t")
        and word.islower()
        and before[:1].isupper()
        and word not in _NOT_GERMAN_VERBS
    )


def _is_verb(word: str, kind: Kind, weight: int, language: Language) -> bool:
    if kind == "verb":
        return True
    if weight > 1 or word in _NOUNS_IN_PRACTICE:
        return False
    return word in (lexicon.VERBS.get(language) or lexicon.ENGLISH_FORMS)


@lru_cache(8192)
def _latin(word: str, language: Language) -> tuple[Kind, int]:
    table = _table(language)
    if len(word) > _MAX_WORD:
        return None, 0
    for form in _forms(word, language):
        if form in table:
            return table[form]
    if language not in ("de", "fr") and word in lexicon.ENGLISH_FORMS:
        return "verb", 0
    if "-" in word:
        found = [_latin(half, language) for half in word.split("-")]
        return max(found, key=lambda entry: entry[1])
    if language == "de" and len(word) > 7:
        for cut in range(3, len(word) - 2):
            for form in _forms(word[cut:], language):
                if form in table and table[form][0] not in ("verb", None):
                    return table[form]
    return None, 0


def _forms(word: str, language: Language) -> Iterator[str]:
    yield word
    for ending in {"de": ("s", "e", "n", "en", "er", "es", "em"), "fr": ("s", "es", "e")}.get(
        language, ("s", "'s")
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            yield word[: -len(ending)]
    if language == "fr" and ("'" in word or "’" in word):
        yield re.split("['’]", word)[-1]


def _phrases(tokens: list[Token], language: Language) -> Iterator[Token]:
    """Join tokens that are one entry of the lexicon ("depth of field")."""
    table, starts = _table(language), _phrase_starts(language)
    index = 0
    while index < len(tokens):
        if tokens[index].text not in starts:
            yield tokens[index]
            index += 1
            continue
        for length in range(min(_MAX_PHRASE, len(tokens) - index), 1, -1):
            group = tokens[index : index + length]
            text = " ".join(token.text for token in group)
            if text in table:
                kind, weight = table[text]
                yield Token(group[0].start, group[-1].end, text, kind, weight)
                index += length
                break
        else:
            yield tokens[index]
            index += 1


_CAMERA = frozenset({"camera", "kamera", "caméra", "镜头", "鏡頭", "lens", "カメラ"})
_CJK_AIMS = lexicon.word_set(
    "对 對 对着 對住 望住 看 望 向 朝 着 住 同 面向 对镜头 同鏡頭 视 视着 着镜头 看向 看着 面对 面對 直视 直視 凝视 正对 盯 盯着 見 抬眼盯"
)


def _not_the_camera(tokens: list[Token]) -> list[Token]:
    """ "Looks into the camera" tells of the one who looks, not of the camera."""
    for index, token in enumerate(tokens):
        korean = token.text.startswith("카메라")
        if token.text not in _CAMERA and not korean:
            continue
        before = [before.text for before in tokens[max(0, index - 2) : index]]
        while before and before[-1] in _ARTICLES:
            before.pop()
        after = "".join(after.text for after in tokens[index + 1 : index + 4])
        looks = token.text == "カメラ" and after.startswith(("に向", "を見", "目線", "に話"))
        looks = looks or (korean and after.startswith(("보", "본", "봅", "봐", "향", "바라", "응시", "쳐다")))
        if looks or (before and (before[-1] in _AIMS or before[-1] in _CJK_AIMS)):
            tokens[index] = Token(token.start, token.end, token.text, None)
    return tokens
