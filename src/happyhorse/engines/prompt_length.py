"""Whether the 15 B network reads all of a prompt: it reads so many tokens, and what comes after them is lost. Torch-free.

Tokens are counted in the form that the network reads (`enhance.py`), by the text encoder's own tokenizer where it is at hand, else
by an estimate that says that it is one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from happyhorse.engines.enhance import enhance
from happyhorse.language import is_wide
from happyhorse.prompt.read import Finding, Line

Tokenize = Callable[[str], Sequence[int]]
"""Returns where each token of a text ends, in characters; 0 for one that stands for none, as that of the beginning."""

LETTERS_A_TOKEN = 6
WIDE_CHARACTER_TOKENS = 2
"""Of a Chinese, Japanese or Korean one, which has a space before it."""
_SHOWN = 40
_PIECE = re.compile(r"[^\W\d_]+|\S|\n")


def estimate_tokens(text: str) -> list[int]:
    """Guess a text's tokens, as `Tokenize`: rather more than fewer of them, since words that are often written are one token."""
    return [0, *_guessed(text)]


def _guessed(text: str) -> Iterator[int]:
    for piece in _PIECE.finditer(text):
        if not piece[0][0].isalpha():
            yield piece.end()
            continue
        for start, end in _runs(piece[0]):
            count = WIDE_CHARACTER_TOKENS if is_wide(piece[0][start]) else math.ceil((end - start) / LETTERS_A_TOKEN)  # fmt: skip
            yield from (
                piece.start() + start + round((end - start) * part / count) for part in range(1, count + 1)
            )


def _runs(letters: str) -> Iterator[tuple[int, int]]:
    """Cut letters into wide characters, each for itself, and stretches of others."""
    start = 0
    for index, letter in enumerate(letters):
        if is_wide(letter):
            if start < index:
                yield start, index
            yield index, index + 1
            start = index + 1
    if start < len(letters):
        yield start, len(letters)


def what_is_lost(text: str, ends: Sequence[int], *, max_tokens: int) -> str:
    """Say which part of a text lies beyond the tokens that are read; nothing where all are."""
    lost = text[ends[max_tokens - 1] :] if len(ends) > max_tokens else ""
    begins = " ".join(lost.split())
    if not begins:
        return ""
    shown = begins if len(begins) <= _SHOWN else f"{begins[: _SHOWN - 3]}..."
    return f"its last {len(lost.strip())} characters are lost, from '{shown}' on"


def judge_length(
    prompt: str, negative_prompt: str, *, lines: Sequence[Line], max_tokens: int, tokenize: Tokenize | None
) -> tuple[Finding, ...]:
    """Return a warning when the network will not read all of a prompt, as rules write it, and one of a negative prompt."""
    shorten = "shorten the description, or the lines, which stand in it twice"
    read = (
        ("prompt_cut", "written out, the prompt", enhance(prompt, lines=lines), shorten),
        ("negative_prompt_cut", "the negative prompt", negative_prompt, "shorten it"),
    )
    return tuple(
        Finding(code, "warning", f"{name} {said}", fix)
        for code, name, text, fix in read
        if (said := _what_is_cut(text, max_tokens, tokenize))
    )


def _what_is_cut(text: str, max_tokens: int, tokenize: Tokenize | None) -> str:
    ends = (tokenize or estimate_tokens)(text)
    lost = what_is_lost(text, ends, max_tokens=max_tokens)
    count = f"{len(ends)} tokens" if tokenize else f"about {len(ends)} tokens by estimate"
    return f"has {count}, of which the network reads {max_tokens}: {lost}" if lost else ""
