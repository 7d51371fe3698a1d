# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""Prose as sentences, and each sentence as clauses; time codes belong to none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from happyhorse.request import Language

_TIMECODE = re.compile(
    r"[\[【(]?\s?\d{1,2}(?::\d{2})?\s?[-–~]\s?\d{1,2}(?::\d{2})?\s?(?:seconds|sec|s|秒|초)?\s?[\]】)]\s?[:：]?"
    r"|\d{1,2}\s?[-–~]\s?\d{1,2}\s?(?:seconds|sec|s|秒|초)\s?[:：]?",
    re.IGNORECASE,
)
_STOPS = re.compile(
    r"[.!?…]+(?=[\s\ufffc_*)\]]|$)|(?<!\b\w)[.!?](?=[^\W\d_])|[。！？；\n]+|;|(?P<soft>,(?!\d)|，|、|\s[—–>]\s|—|:(?=\s)|：)"
)


def sentences_of(
    directions: str, start: int, end: int, language: Language
) -> Iterator[list[tuple[int, int]]]:
    """Each sentence as its clauses."""
    clauses: list[tuple[int, int]] = []
    position = start
    codes = {match.start(): match.end() for match in _TIMECODE.finditer(directions, start, end)}
    marks = sorted(
        [(match.start(), match.end(), match["soft"]) for match in _STOPS.finditer(directions, start, end)]
        + [(first, last, None) for first, last in codes.items()]
    )
    for first, last, soft in marks:
        if first < position or (soft == "、" and language != "ja"):
            continue
        if (
            soft
            and ":" in soft.replace("：", ":")
            and directions[last : last + 2].strip()[:1] in ("", "\ufffc")
        ):
            continue
        clauses.append((position, first if first in codes else last))
        position = last
        if soft is None:
            yield clauses
            clauses = []
    yield [*clauses, (position, end)]
