"""Reading a prompt: its six parts, the lines to be said, their language and length, what it refers to, what is amiss.

Torch-free and pure. `plan` reads the lines, the references and the findings; `happyhorse prompt` shows all of it.

    lines       quotations: said or written; names of inputs   -> lines, references, directions (the text, quotations blanked)
    language    the language of the directions and of each line
    parts       labelled blocks, else prose (clauses)          -> spans
    findings    what will cost quality                         -> findings
"""

from __future__ import annotations

from dataclasses import replace

from happyhorse.language import count_words, has_letters, language_of
from happyhorse.prompt.findings import MAX_WORDS, MIN_WORDS, Facts, find
from happyhorse.prompt.lines import (
    blank,
    declared_characters,
    line_of,
    quotations,
    references_of,
)
from happyhorse.prompt.parts import PARTS, is_edit_text, parts_of, values_of
from happyhorse.prompt.types import Finding, Line, Prompt, Reference, Span
from happyhorse.request import Mode

__all__ = [
    "MAX_WORDS",
    "MIN_WORDS",
    "PARTS",
    "Finding",
    "Line",
    "Prompt",
    "Reference",
    "Span",
    "read_prompt",
]


def read_prompt(
    text: str,
    *,
    mode: Mode | None = None,
    duration_s: float | None = None,
    num_references: int | None = None,
    is_series: bool = False,
) -> Prompt:
    """Read a prompt.

    Args:
        text: of any length and script; nothing in it is an error.
        mode: of the request; without it an edit is known by its wording.
        duration_s: length of the clip, for findings about the lines.
        num_references: how many images the prompt may name, for findings about references.
        is_series: whether the clip belongs to a feed that keeps one persona.
    """
    quotes = quotations(text)
    spoken = [quote for quote in quotes if quote.spoken]
    said = [(quote.start, quote.end) for quote in spoken]
    directions = blank(text, said)
    language = language_of(directions if has_letters(directions) else text)
    references = references_of(directions)
    told = is_edit_text(directions)
    is_edit = mode == "edit" or (mode is None and (told or any(name.kind == "video" for name in references)))
    spans = parts_of(text, directions, language, is_edit=is_edit and (told or mode == "edit"))
    read = Prompt(
        text=text,
        parts=values_of(text, spans),
        spans=spans,
        language=language,
        lines=tuple(line_of(quote, language) for quote in spoken),
        references=references,
        characters=declared_characters(directions),
        num_words=count_words(text),
        is_edit=is_edit,
        findings=(),
    )
    return replace(
        read, findings=find(read, directions, quotes, Facts(mode, duration_s, num_references, is_series))
    )
