# ruff: noqa: RUF001  the punctuation of other languages is meant
"""Put a prompt into the form the 15 B network was trained on, by rules: a paragraph, a dialogue block, a sound block.

The published form is written by a language model; these rules keep its order and its bans and invent nothing. Appearance
and surroundings come first, then action and speech, then a camera that stands still. Source: specs/model.md 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from happyhorse.language import is_wide
from happyhorse.prompt.read import Line, Prompt, Span, read_prompt
from happyhorse.prompt.words import SPEECH_CUES
from happyhorse.request import LANGUAGE_NAMES

DIALOGUE, SOUND = "Dialogue:", "Background Sound:"
"""The first lines of the second and the third block."""
NO_SOUND = "No prominent background sound"
_MIN_WORDS, _MAX_WORDS = 150, 200
_SPEAKER_WORDS, _SPEAKER_LETTERS = 5, 12
_MOVES = re.compile(
    r"\b(?:pan|dolly|zoom|track|orbit|crane|tilt|push|pull|handheld|hand-held|cut|drone|whip|arc|fly|follow)(?:s|ing|ning|ming)?\b"
    r"|推|拉|摇|跟|环绕|ズーム|パン|ドリー|줌|패닝|schwenk|fahrt|travelling|panoramique",
    re.IGNORECASE,
)
_CUE = re.compile(rf"(?<![a-zà-ÿ])(?:{SPEECH_CUES})(?![a-zà-ÿ])", re.IGNORECASE)
_VOICE = re.compile(r"voice\S*|stimme|voix|lines?|dialogue|语气|台词|台詞|セリフ|대사", re.IGNORECASE)
"""Cues that are nouns: "answers in a low voice" is split at "answers"."""
_CUE_AFTER = re.compile(
    r"(?:と|이?라고)[^。、.\n]{0,8}?(?:声|言|話|叫|答|歌|語|呼|말|외|속삭|묻|물|노래)[^\s。、.,\n]{0,4}"
    r"|,?\s?(?:dit|lance|crie|murmure|demande|répond)-(?:t-)?(?P<a>elle|il)"
    rf"|,?\s?(?P<b>(?:[a-zà-ÿ]\w*\s){{0,2}})(?:{SPEECH_CUES})(?![a-zà-ÿ])"
)
"""A cue behind a line, in small letters: what begins with a capital is a new sentence."""
_SENTENCE_END = re.compile(r"[.!?。！？\n]")
_JOINING = re.compile(r"^(?:(?:and|then|while|as|und|während|et|puis)\s+|[\s,.:;：，、。-]+)+", re.IGNORECASE)
_JOINED = re.compile(r"\b(?:and|und|et|then|puis)$", re.IGNORECASE)
_PRONOUN = re.compile(
    r"(?:(?:s?he|they|it|er|sie|es|il|elle)\b|彼女?[はが]|[他她]们?|그녀?[는가])", re.IGNORECASE
)
_SOMEBODY = "the person in the picture"
_ATTRIBUTE = re.compile(r"\s(?:in|with|at|on|of|and|by|who|wearing)\b.*")
_BLANKS = " \t\n,.:;，、。：；"
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
    "The mood is calm and does not change.",
)


class Spoken(NamedTuple):
    """A line with what the prompt says of its speaking."""

    line: Line
    lead: str
    """The clause before it, such as "He says"; empty where there is none."""
    speaker: str
    """Who is named there; empty for nobody."""


def enhance(prompt: str, *, lines: Sequence[Line]) -> str:
    """Return the prompt in the network's form; a prompt that has it already is left as it is.

    `lines` are what is said in the clip: each stands twice in the result, unchanged but for the spaces between Chinese,
    Japanese and Korean characters that the network knows them by.
    """
    if has_form(prompt):
        return prompt
    whole = read_prompt(prompt)
    directions, found = _apart(prompt, whole.lines, whole.spans)
    told = {(one.line.start, one.line.end): one for one in found}
    spoken = [told.get((line.start, line.end), Spoken(line, "", "")) for line in lines]
    read = read_prompt(directions)
    blocks = [_paragraph(read, spoken)]
    if spoken:
        entries = [
            f'<{_described(one, read)}, {LANGUAGE_NAMES[one.line.language]}>: "{spaced(one.line.text)}"'
            for one in spoken
        ]
        blocks.append("\n".join([DIALOGUE, *entries]))
    blocks.append(f"{SOUND}\n<{spaced(read.parts.get('audio', '')) or NO_SOUND}>")
    return "\n\n".join(blocks)


def has_form(prompt: str) -> bool:
    """Whether a prompt was written in the network's form by its author."""
    return DIALOGUE in prompt and SOUND in prompt


def _paragraph(read: Prompt, spoken: Sequence[Spoken]) -> str:
    parts = read.parts
    told = [
        _sentence(", ".join(filter(None, (parts.get("subject"), parts.get("environment"))))),
        _sentence(parts.get("style", "")),
        _sentence(parts.get("action", "")),
    ]
    if not parts:
        told.insert(0, _sentence(read.text))
    said = [f'{_lead(one, read)}: "{spaced(one.line.text)}"' for one in spoken]
    camera = _sentence(_still_camera(parts.get("camera", "")))
    speech = _SPEECH if spoken else ()
    sentences = [*told, *_BODY, *said, *speech, camera, *_CAMERA]
    ours = [*_BODY, *speech, *_CAMERA[1:]]
    while _num_words(sentences) > _MAX_WORDS and ours:
        sentences.remove(ours.pop())
    rest = iter(_REST)
    while _num_words(sentences) < _MIN_WORDS and (more := next(rest, None)):
        sentences.append(more)
    return " ".join(filter(None, sentences))


def _num_words(sentences: Sequence[str]) -> int:
    return len(" ".join(sentences).split())


def _still_camera(text: str) -> str:
    """What is told of the camera but its moves."""
    pieces = map(str.strip, re.split(r"[,;，、]", text))
    return ", ".join(piece for piece in pieces if piece and not _MOVES.search(piece))


def _apart(text: str, lines: Sequence[Line], spans: Sequence[Span]) -> tuple[str, list[Spoken]]:
    """The prompt without its lines and the words that say that they are said, and the lines with those words.

    Where something was taken out a sentence ends, so that what stands on both sides of a line is read for itself.
    """
    kept: list[str] = []
    spoken, position = [], 0
    for line in sorted(lines, key=lambda line: line.start):
        begin = max([position, *(span.start for span in spans if span.start <= line.start < span.end)])
        ends = [found.end() for found in _SENTENCE_END.finditer(text, begin, line.start)]
        begin = next((end for end in reversed(ends) if _bare(text[end : line.start])), begin)
        cues = list(_CUE.finditer(text, begin, line.start))
        verbs = [cue for cue in cues if not _VOICE.fullmatch(cue[0])] or cues
        cut = verbs[-1].start() if verbs else line.start
        who, is_first = _bare(text[begin:cut]), not _bare("".join(kept) + text[position:begin])
        after = _CUE_AFTER.match(text, line.end)
        named_after = (after["a"] or after["b"] or "").strip() if after else ""
        pronoun = _PRONOUN.match(who) or _PRONOUN.match(named_after)
        kept.append(text[position : begin if _PRONOUN.fullmatch(who) else cut])
        speaker = (_SOMEBODY if is_first else "") if pronoun else who
        spoken.append(Spoken(line, _bare(text[begin : line.start]) if cues else "", speaker))
        position = after.end() if after else line.end
    kept.append(text[position:])
    return "\n".join(f"{piece}." for piece in map(_bare, kept) if piece), spoken


def _bare(clause: str) -> str:
    """A clause without what joins it to its neighbours."""
    return _JOINED.sub("", _JOINING.sub("", clause).rstrip(_BLANKS)).rstrip(_BLANKS)


def _lead(one: Spoken, read: Prompt) -> str:
    """What stands before a line in the paragraph."""
    if not one.lead or _MOVES.search(one.lead):
        return "The words are spoken"
    lead = one.lead
    if _CUE.match(lead):  # nobody is named
        lead = f"{_described(one, read)} {lead}"
    return _sentence(lead).rstrip(".")


def _sentence(text: str) -> str:
    text = spaced(text.strip(" ,.;:"))
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _described(one: Spoken, read: Prompt) -> str:
    """At most five words, or twelve characters of a language without spaces, that name who speaks."""
    named = read_prompt(one.speaker).parts.get("subject", one.speaker)
    who = (
        named
        if named and not _PRONOUN.match(named)
        else read.parts.get("subject", "").split(". ")[0] or _SOMEBODY
    )
    if any(map(is_wide, who)):
        return spaced(who if len(who) <= _SPEAKER_LETTERS else who.rpartition("的")[2][:_SPEAKER_LETTERS])
    words = who.split()
    short = " ".join(words[:_SPEAKER_WORDS])
    return (short if len(words) <= _SPEAKER_WORDS else _ATTRIBUTE.sub("", short)).strip(",")


def spaced(text: str) -> str:
    """Put a space between neighbouring characters of which one is Chinese, Japanese or Korean."""
    spaced = ""
    for character in text:
        joined = bool(spaced) and not spaced[-1].isspace() and not character.isspace()
        if joined and (is_wide(character) or is_wide(spaced[-1])):
            spaced += " "
        spaced += character
    return spaced
