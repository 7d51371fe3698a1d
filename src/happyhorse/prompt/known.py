"""Which words of a prompt an engine does not draw, and for which it draws something near.

Judged on the directions alone, in English: neither lines nor names of inputs are drawn, and other languages are read through the glossary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from happyhorse.prompt import words
from happyhorse.prompt.gloss import english
from happyhorse.prompt.lines import blank, without_references
from happyhorse.prompt.types import Prompt

_CONTENT = re.compile(r"[a-zà-öø-ÿœ]{3,}|[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_MANNER = re.compile(r"[a-z]{3,}ly")  # how something is done, which names no thing
_DOUBLED = frozenset("bdglmnprt")  # running, stopped; not hissing
_MIN_STEM = 3


class Judged(NamedTuple):
    """What becomes of the words of a prompt's directions, as they are written."""

    unknown: tuple[str, ...]
    """Content words that are in no form in the vocabulary nor part of what is stood in, in order."""
    stood_in: dict[str, str]
    """Words and phrases that are drawn as something else -> what is drawn."""


def judge(prompt: Prompt, vocabulary: frozenset[str], stand_ins: Mapping[str, str]) -> Judged:
    """Hold the directions against what an engine draws.

    Words of other languages that the glossary has no English for stay as they were written.
    """
    rest, found = _without_stand_ins(directions(prompt), stand_ins)
    stop = words.STOP_WORDS.get(prompt.language, frozenset()) | words.LABELS.keys()
    missing = (word for word in _CONTENT.findall(rest) if word not in stop and not _known(word, vocabulary))
    return Judged(tuple(dict.fromkeys(missing)), found)


def directions(prompt: Prompt) -> str:
    """Return what is asked to be drawn, in lower case and in English as far as the glossary goes: without lines and names of inputs."""
    text = without_references(blank(prompt.text, [(line.start, line.end) for line in prompt.lines]))
    return english(text, prompt.language).lower()


def _without_stand_ins(text: str, stand_ins: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text with every phrase that has a stand-in left out, longer phrases first, and those phrases."""
    drawn = {form: instead for phrase, instead in stand_ins.items() for form in _numbers(phrase)}
    found: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        found[match[0]] = drawn[match[0]]
        return " "

    forms = "|".join(re.escape(form) for form in sorted(drawn, key=len, reverse=True))
    return (re.sub(rf"\b(?:{forms})\b", take, text) if forms else text), found


def _numbers(noun: str) -> tuple[str, ...]:
    """A noun and its plurals, as they may be."""
    return (noun, f"{noun}s", f"{noun}es", *((f"{noun[:-1]}ies",) if noun.endswith("y") else ()))


def _known(word: str, vocabulary: frozenset[str]) -> bool:
    if word in words.NAMING_NOTHING or word in vocabulary or word in words.STOP_WORDS["en"]:
        return True
    if _MANNER.fullmatch(word) and word not in words.NO_ADVERBS:
        return True
    return any(stem in vocabulary for stem in _stems(word) - words.STOP_WORDS["en"])


def _stems(word: str) -> set[str]:
    """What the word may be a form of."""
    stems = set()
    for ending in ("s", "es", "ed", "ing", "er", "est", "ly"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _MIN_STEM:
            stems |= {stem, f"{stem}e"}
            if stem[-1] == stem[-2] and stem[-1] in _DOUBLED:
                stems.add(stem[:-1])
    for ending in ("ies", "ied", "ier", "iest"):
        if word.endswith(ending):
            stems.add(f"{word.removesuffix(ending)}y")
    return {stem for stem in stems if len(stem) >= _MIN_STEM}
