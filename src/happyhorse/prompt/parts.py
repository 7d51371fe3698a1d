# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""The six parts of a prompt, as spans of its text: from labelled blocks ("Camera: ...", "【音频】...", "**Style** ..."), else from prose.

A labelled block is taken as it says. What stands before the first label, or under a label that is none of the six, is read as prose
(`clauses.py`). An instruction to change a clip is action as a whole, but for what is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from happyhorse.prompt import words
from happyhorse.prompt.clauses import edit_spans, prose_spans
from happyhorse.prompt.lexicon import Part
from happyhorse.prompt.types import Span
from happyhorse.request import Language

PARTS = words.PARTS

_FLAGS = re.IGNORECASE
_NAMES = "|".join(sorted(map(re.escape, words.LABELS), key=len, reverse=True))
_AND = r"\s?(?:&|and|und|et|/|与|和|、|및|と)\s?"
_MORE = rf"(?:{_AND}(?:{_NAMES})){{0,2}}"
_BULLET = r"[ \t>#*_•\-]{0,8}(?:\d{1,2}[.)、]\s?)?\*{0,2}"
_LABEL = re.compile(
    rf"(?:^|(?<=[\n.!?;。！？；:：\ufffc])|(?<=[\n.!?;。！？；:：\ufffc]\s)){_BULLET}"
    rf"(?:(?P<out>{_NAMES}){_MORE}[*_]{{0,3}}\s?[:：][*_]{{0,3}}"
    rf"|(?<=\*\*)(?P<bold>{_NAMES}){_MORE}[:：]?\*\*\s?[-–—:：]?"
    rf"|(?P<head>(?<=\#\s)(?:{_NAMES}))\s?\n)"
    rf"|[ \t>#*_•\-]{{0,8}}(?:[\[【]\s?\*{{0,2}}(?P<in>{_NAMES}){_MORE}\*{{0,2}}\s?[\]】][*_]{{0,3}}\s?[:：]?)"
    rf"|(?:^|(?<=\n))(?P<other>【[^】\n\d]{{1,24}}】|\[(?!\s?(?:image|图|圖|video|character|\d))[^\]\n]{{1,24}}\](?=\s?[:：\n]))",
    _FLAGS,
)
_EDIT = re.compile(words.EDITS, _FLAGS)
_EDIT_SENTENCES = 2
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？\n]+|$)|[.!?。！？\n]+")
_ENDS = " \t\n.,;:*_-–—。，；、：\ufffc"


def parts_of(text: str, directions: str, language: Language, *, is_edit: bool) -> tuple[Span, ...]:
    """Spans in order. `directions` is the text with quotations blanked."""
    labels = list(_LABEL.finditer(directions))
    known = any(match["other"] is None for match in labels)
    if is_edit and not known:
        return tuple(_tidy(text, edit_spans(directions, language)))
    spans: list[Span] = []
    if not known:
        spans += prose_spans(text, directions, 0, len(text), language)
    else:
        spans += prose_spans(text, directions, 0, labels[0].start(), language)
        for match, following in zip(labels, [*labels[1:], None], strict=True):
            end = following.start() if following else len(text)
            name = match["in"] or match["out"] or match["bold"] or match["head"]
            if name is None:
                spans += prose_spans(text, directions, match.end(), end, language)
            else:
                spans.append(Span(words.LABELS[name.lower()], match.end(), end))
    return tuple(span for span in _tidy(text, spans) if span.start < span.end)


def is_edit_text(directions: str) -> bool:
    """Whether a prompt tells how to change a clip, in one of its first sentences."""
    sentences = _SENTENCE.findall(directions[:400])
    return _EDIT.search("".join(sentences[:_EDIT_SENTENCES])) is not None


def _tidy(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Trim blanks and the marks that join clauses, and merge neighbours of one part."""
    merged: list[Span] = []
    for span in spans:
        start, end = span.start, span.end
        while start < end and text[start] in _ENDS:
            start += 1
        while end > start and text[end - 1] in _ENDS:
            end -= 1
        if start == end:
            continue
        if merged and merged[-1].part == span.part and not text[merged[-1].end : start].strip(_ENDS):
            start = merged.pop().start
        merged.append(Span(span.part, start, end))
    return iter(merged)


def values_of(text: str, spans: Sequence[Span]) -> dict[Part, str]:
    """part -> its text, in the order of the six."""
    parts: dict[Part, str] = {}
    for part in PARTS:
        pieces = [" ".join(text[span.start : span.end].split()) for span in spans if span.part == part]
        if pieces:
            parts[part] = ", ".join(pieces)
    return parts
