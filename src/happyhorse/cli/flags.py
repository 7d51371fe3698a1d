"""Sentences about fields of a request, in the words of the command line: "references takes ..." becomes "--ref takes ..."."""

from __future__ import annotations

import re

_AS_NAMED = "image video voice device duration resolution ratio reframe seed language watermark audio engine draft output mode"
_FLAGS = {
    "references": "--ref",
    "reference": "--ref",
    "characters": "--character",
    "no_audio": "--no-audio",
    "negative_prompt": "--negative-prompt",
    "base_url": "--server",
    "scopes": "--scope",
    "testcard_seconds": "--testcard-seconds",
    **{name: f"--{name}" for name in _AS_NAMED.split()},
}
_NAME = "|".join(sorted(_FLAGS, key=len, reverse=True))
_FIELD = rf"(?:{_NAME})\b(?:=\w+)?"
_MENTION = re.compile(
    r"(?<!\w)'[^']*'(?!\w)"  # what was typed is shown as it was typed
    r"|send the image in references"
    rf"|^{_FIELD}(?: and {_FIELD})?"
    rf"|(?:(?<=\bset )|(?<=\buse )|(?<=; add )|(?<=edit, )){_FIELD}"
)


def in_flags(message: str) -> str:
    """Name the flags where a message names the fields they set."""
    return _MENTION.sub(_flags, message)


def about_flag(message: str, field: str | None, typed: list[str]) -> str:
    """As `in_flags`; where the field was typed as a flag and the message does not name it, it is put in front."""
    said = in_flags(message)
    flag = _FLAGS.get((field or "").partition(" ")[0])
    if flag is None or flag in said or not any(word.split("=")[0] == flag for word in typed):
        return said
    return f"{flag}: {said}"


def _flags(mention: re.Match[str]) -> str:
    said = mention[0]
    if said.startswith("'"):
        return said
    if said.startswith("send"):
        return "give the image with --ref"
    return re.sub(rf"\b({_NAME})\b(=?)", lambda field: _FLAGS[field[1]] + (" " if field[2] else ""), said)
