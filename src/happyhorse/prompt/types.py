"""What is read from a prompt, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from happyhorse.prompt.lexicon import Part
from happyhorse.request import Language


@dataclass(frozen=True)
class Line:
    """Something to be said aloud. `start` and `end` are character positions in the prompt, quotes included."""

    text: str
    language: Language
    seconds: float
    start: int
    end: int


@dataclass(frozen=True)
class Reference:
    """A name for an input: character2, [Image 3], @video1."""

    kind: Literal["character", "image", "video", "audio"]
    number: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Something that will cost quality, and how to mend it."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    fix: str


@dataclass(frozen=True)
class Span:
    """A stretch of the prompt that belongs to a part; `start` and `end` are character positions."""

    part: Part
    start: int
    end: int


@dataclass(frozen=True)
class Prompt:
    """A prompt as it was understood."""

    text: str
    parts: Mapping[Part, str]
    """Of the six parts, those that are there."""
    spans: tuple[Span, ...]
    """Where the parts stand, in order."""
    language: Language
    """Of the directions; each line has its own."""
    lines: tuple[Line, ...]
    references: tuple[Reference, ...]
    characters: Mapping[str, tuple[int, ...]]
    """Groups that the text itself declares: character1=1,2,3."""
    num_words: int
    is_edit: bool
    """Whether the text tells how to change a clip instead of describing one."""
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything, as JSON types; prompt/schema.json describes it."""
        return asdict(self)
