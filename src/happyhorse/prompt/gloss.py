# ruff: noqa: RUF001 - the apostrophes of French are meant
"""A prompt's directions in English, word by word: for a text encoder that has read nothing else.

A glossary of what nano's world holds, in six other languages; what it does not know stays as it was written. The spoken lines are not touched: what is
said is for the voice. German endings, French plurals and the particles of Japanese, Korean and Chinese are seen through, and a French
adjective comes to stand before its noun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from happyhorse.prompt.types import Prompt

_COLUMNS = ("de", "fr", "ja", "ko", "zh")
_COLUMN_OF = {**{name: name for name in _COLUMNS}, "yue": "zh"}
_ENDINGS = {"de": ("en", "em", "er", "es", "e", "n", "s"), "fr": ("es", "s", "e", "x")}
_ELIDED = re.compile(r"\b[ldjnmtsc]['’]|\bqu['’]")
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]")
_NOUNS = frozenset(
    {"hair", "ball", "cap", "beanie", "skin", "t-shirt", "sweater", "hoodie", "jacket", "shirt"}
)
_ADJECTIVES = frozenset(
    {
        "long",
        "short",
        "bob",
        "bun",
        "curly",
        "ginger",
        "red",
        "orange",
        "yellow",
        "green",
        "blue",
        "purple",
        "pink",
        "white",
        "grey",
    }
    | {"black", "brown", "blonde", "light", "dark", "tan"}
)
_PARTICLES = {
    "ja": ("している", "ている", "です", "ます", "した", "から", "まで", "の", "に", "が", "で", "は", "を", "と", "も", "へ", "や", "て", "た", "な", "い", "る"),
    "ko": ("에서", "으로", "하고", "하는", "한다", "이다", "의", "가", "이", "를", "을", "은", "는", "에", "로", "와", "과", "한", "고", "다"),
    "zh": ("的", "了", "着", "在", "是", "里", "中", "上", "地", "得", "與", "与", "并", "向", "对", "一", "嘅", "喺", "緊", "個", "个"),
}  # fmt: skip
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_LONGEST_PHRASE = 3
_PLAIN = {
    "ballerina": "dancer",
    "ballerinas": "dancers",
    "ballet": "dance",
    "ballpark": "park",
    "ballroom": "room",
    "ball gown": "dress",
    "baseball cap": "cap",
    "baseball caps": "caps",
}
"""Words that begin as those of the world do and mean something else, in words that do not."""
_MISLEADING = re.compile(rf"\b(?:{'|'.join(sorted(_PLAIN, key=len, reverse=True))})\b", re.IGNORECASE)


def in_english(prompt: Prompt) -> str:
    """Return the prompt with its directions in English as far as the glossary goes, and a few misleading words in plainer ones."""
    if prompt.language not in _COLUMN_OF:
        return _MISLEADING.sub(lambda word: _PLAIN[word[0].lower()], prompt.text)
    pieces, last = [], 0
    for line in sorted(prompt.lines, key=lambda one: one.start):
        pieces += [
            english(prompt.text[last : line.start], prompt.language),
            prompt.text[line.start : line.end],
        ]
        last = line.end
    return " ".join([*pieces, english(prompt.text[last:], prompt.language)])


def english(text: str, language: str) -> str:
    """Return a text word by word in English; one in English or in a language without a glossary as it is."""
    column = _COLUMN_OF.get(language)
    if column is None:
        return text
    translate = _by_character if column in _PARTICLES else _by_word
    return " ".join(translate(text, column))


@cache
def _glossary(language: str) -> Mapping[str, str]:
    column = _COLUMNS.index(language) + 1
    text = (resources.files("happyhorse") / "prompt" / "glossary.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    return {word: row[0] for row in reversed(rows) for word in row[column].split("/") if word}


def _by_word(text: str, language: str) -> Iterator[str]:
    """Yield English words; a noun is held back until it is known whether its colour follows."""
    known = _glossary(language)
    words = _WORD.findall(_ELIDED.sub("", text) if language == "fr" else text)
    found: list[str] = []
    at = 0
    while at < len(words):
        for length in range(_LONGEST_PHRASE, 0, -1):
            phrase = " ".join(words[at : at + length]).lower()
            english = known.get(phrase) or (_stemmed(phrase, language) if length == 1 else None)
            if english:
                break
        else:
            length, english = 1, words[at]
        is_described = language == "fr" and found and found[-1] in _NOUNS and english in _ADJECTIVES
        found.insert(len(found) - 1 if is_described else len(found), english)
        at += length
    yield from found


def _stemmed(word: str, language: str) -> str | None:
    known = _glossary(language)
    stems = (word.removesuffix(ending) for ending in _ENDINGS[language] if word.endswith(ending))
    return next((known[stem] for stem in stems if len(stem) > 2 and stem in known), None)


def _by_character(text: str, language: str) -> Iterator[str]:
    """Yield English words for the longest entries found, and what lies between them; particles go."""
    known, particles = _glossary(language), _PARTICLES[language]
    longest = max(map(len, known))
    unknown, at = "", 0
    while at < len(text):
        entries = (text[at : at + n] for n in range(longest, 0, -1))
        entry = next((e for e in entries if e in known and _stands_alone(text, at, e, particles)), None)
        particle = "" if entry or unknown else next((p for p in particles if text.startswith(p, at)), "")
        if entry or particle or text[at].isspace():
            yield from filter(None, (unknown, known.get(entry or "")))
            unknown, at = "", at + max(1, len(entry or particle))
        else:
            unknown, at = unknown + text[at], at + 1
    if unknown:
        yield unknown


def _stands_alone(text: str, at: int, entry: str, particles: tuple[str, ...]) -> bool:
    """Whether an entry found at `at` is a word there: a single syllable of Korean also stands within other words."""
    if len(entry) > 1 or not _HANGUL.match(entry):
        return True
    rest = text[at + 1 :]
    return not _HANGUL.match(text[at - 1 : at]) and (not _HANGUL.match(rest) or rest.startswith(particles))
