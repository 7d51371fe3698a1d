"""Put a prompt into the form the 15 B network was trained on, by rules: a paragraph, a dialogue block, a sound block.

The published form is written by a language model; these rules keep its order and its bans and invent nothing. Appearance
and surroundings come first, then action and speech, then a camera that stands still. Source: specs/model.md 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from happyhorse.language import is_wide
from happyhorse.prompt.read import Line, Prompt, read_prompt
from happyhorse.request import LANGUAGE_NAMES

DIALOGUE, SOUND = "Dialogue:", "Background Sound:"
"""The first lines of the second and the third block."""
NO_SOUND = "No prominent background sound"
_MIN_WORDS = 150
_MOVES = re.compile(
    r"\b(?:pan|dolly|zoom|track|orbit|crane|tilt|push|pull|handheld|hand-held|cut|drone|whip|arc|fly|follow)(?:s|ing|ning|ming)?\b"
    r"|推|拉|摇|跟|环绕|ズーム|パン|ドリー|줌|패닝|schwenk|fahrt|travelling|panoramique",
    re.IGNORECASE,
)
_SPEECH = (
    "The facial muscles work in small, natural steps while the words come.",
    "Lips and jaw follow every syllable exactly and rest between the sentences.",
    "The voice is clear and close, at an even pace, with a natural pitch and a steady, moderate volume.",
)
_BODY = (
    "The expression changes gradually and stays consistent with the mood.",
    "The head and the shoulders make only slight, slow movements around their place.",
)
_CAMERA = (
    "The camera is static, at eye level, at a medium distance.",
    "The depth of field is shallow, so that the subject is sharp and what lies behind is soft.",
    "The light stays the same from the first frame to the last, and so does the framing, with the subject near its middle.",
)
_REST = (
    "What stands behind the subject does not move.",
    "Surfaces, colours and textures keep their look, and every shape keeps its place.",
    "All that happens follows in one continuous take and in the order in which it is told, without a break.",
    "Nothing enters the frame and nothing leaves it, and no text appears.",
    "The picture is sharp, evenly exposed and free of noise, and its colours are natural.",
)


def enhance(prompt: str, *, lines: Sequence[Line]) -> str:
    """Return the prompt in the network's form; a prompt that has it already is left as it is.

    `lines` are what is said in the clip: each stands twice in the result, unchanged but for the spaces between Chinese,
    Japanese and Korean characters that the network knows them by.
    """
    if has_form(prompt):
        return prompt
    spoken = [line.text for line in lines]
    directions = _without_lines(prompt, read_prompt(prompt).lines)
    read = read_prompt(directions)
    blocks = [_paragraph(read, spoken)]
    if lines:
        entries = [
            f'<{_speaker(read)}, {LANGUAGE_NAMES[line.language]}>: "{spaced(line.text)}"' for line in lines
        ]
        blocks.append("\n".join([DIALOGUE, *entries]))
    blocks.append(f"{SOUND}\n<{spaced(read.parts.get('audio', '')) or NO_SOUND}>")
    return "\n\n".join(blocks)


def has_form(prompt: str) -> bool:
    """Whether a prompt was written in the network's form by its author."""
    return DIALOGUE in prompt and SOUND in prompt


def _paragraph(read: Prompt, spoken: Sequence[str]) -> str:
    parts = read.parts
    sentences = [
        _sentence(", ".join(filter(None, (parts.get("subject"), parts.get("environment"))))),
        _sentence(parts.get("style", "")),
        _sentence(parts.get("action", "")),
        *_BODY,
    ]
    if spoken:
        sentences += [f'The words are spoken: "{spaced(text)}"' for text in spoken]
        sentences += _SPEECH
    camera = parts.get("camera", "")
    if camera and not _MOVES.search(camera):
        sentences.append(_sentence(camera))
    sentences += _CAMERA
    if not parts:
        sentences.insert(0, _sentence(read.text))
    rest = iter(_REST)
    while len(" ".join(sentences).split()) < _MIN_WORDS and (more := next(rest, None)):
        sentences.append(more)
    return " ".join(filter(None, sentences))


def _without_lines(text: str, lines: Sequence[Line]) -> str:
    for line in sorted(lines, key=lambda line: line.start, reverse=True):
        text = text[: line.start].rstrip(" ,:\uff1a") + text[line.end :]
    return text


def _sentence(text: str) -> str:
    text = spaced(text.strip(" ,.;:"))
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _speaker(read: Prompt) -> str:
    """At most five words that name who speaks."""
    return " ".join(spaced(read.parts.get("subject", "") or "the person in the picture").split()[:5]).strip(
        ","
    )


def spaced(text: str) -> str:
    """Put a space between neighbouring characters of which one is Chinese, Japanese or Korean."""
    spaced = ""
    for character in text:
        joined = bool(spaced) and not spaced[-1].isspace() and not character.isspace()
        if joined and (is_wide(character) or is_wide(spaced[-1])):
            spaced += " "
        spaced += character
    return spaced
