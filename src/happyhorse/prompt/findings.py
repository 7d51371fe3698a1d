# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""What will cost quality in a prompt, each with its fix. Few on purpose: what a clip does not need is not asked for.

    severity  meaning
    error     the clip cannot hold what is asked
    warning   the clip will likely come out wrong
    info      a choice is left to the engine, or words are spent in vain

An edit keeps the picture of its source, so nothing is asked about length, camera, style, hour or sound; a first frame decides style
and hour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from happyhorse.language import is_foreign
from happyhorse.prompt import words
from happyhorse.prompt.lexicon import Part
from happyhorse.prompt.lines import Quotation, blank
from happyhorse.prompt.types import Finding, Prompt, Span
from happyhorse.request import LANGUAGE_NAMES, Mode

MIN_WORDS, MAX_WORDS = 20, 60
ONE_SENTENCE_BELOW_S = 11.0
MAX_SUBJECTS = 2
_SHOWN = 4


def _searched(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-zà-ÿ0-9])(?:{pattern})(?![a-zà-ÿ0-9])", re.IGNORECASE)


_DECORATIVE = _whole(words.DECORATIVE)
_TIMES = _whole(words.TIMES_OF_DAY)
_NEGATIONS = _searched(words.NEGATIONS)
_RENDERED = _searched(words.RENDERED_TEXT)
_DELIVERY = _searched(words.DELIVERY)
_FAST = _searched(words.FAST_ACTION)
_WARDROBE = _searched(words.WARDROBE)
_PEOPLE = _searched(words.PEOPLE)
_COUNTED = _searched(words.COUNTED)
_CAMERA = _searched(words.CAMERA)
_TO_CAMERA = _searched(words.TO_CAMERA)
_THEN = _searched(words.THEN)
_SERIES = _searched(words.SERIES)
_INVARIANTS = _searched(words.INVARIANTS)
_SENTENCES = re.compile(r"[.!?。！？…]+(?=\s|$|[^\s\d.])")
# A clause that goes on with another deed of the same subject: ", walks to", "and then opens".
_NEXT_DEED = re.compile(
    rf"(?:[,;]|\band|\bthen|\bund|\bdann|\bet|\bpuis)\s(?:(?:and|then|and then|und|dann|et|puis)\s)?(?:{words.DEEDS})\b",
    re.IGNORECASE,
)
_KO_AND = re.compile(r"[가-힣](?:고|더니)(?=[,\s])(?!\s(?:있|싶))")
_FIRST_DEED = re.compile(rf"(?<![^\W_])(?:{words.DEEDS})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What is known of the clip besides the prompt."""

    mode: Mode | None = None
    duration_s: float | None = None
    num_references: int | None = None
    is_series: bool = False


def find(prompt: Prompt, directions: str, quotes: Sequence[Quotation], facts: Facts) -> tuple[Finding, ...]:
    """All findings, in the order of a prompt's reading. `directions` is the text with quotations blanked."""
    if not prompt.num_words:
        return ()
    described = (
        [] if prompt.is_edit else [*_about_length(prompt, facts), *_about_gaps(prompt, directions, facts)]
    )
    return (
        *_about_speech(prompt, directions, facts),
        *_about_references(prompt, facts),
        *_about_wording(prompt, directions, quotes),
        *([] if prompt.is_edit else _about_action(prompt, directions, facts)),
        *described,
    )


def _about_length(prompt: Prompt, facts: Facts) -> list[Finding]:
    count = prompt.num_words
    if count < MIN_WORDS and facts.mode != "i2v":
        missing = [part for part in words.PARTS if part not in prompt.parts]
        fix = f"add {_listed(missing)}" if missing else "say more of the subject and the place"
        message = f"{count} words leave much open; {MIN_WORDS} to {MAX_WORDS} work best"
        return [Finding("too_short", "info", message, fix)]
    if count > MAX_WORDS:
        fix = "keep one subject, one action, one place; move the rest to another clip"
        return [Finding("too_long", "info", f"{count} words; beyond {MAX_WORDS} details get lost", fix)]
    return []


def _listed(parts: Sequence[Part]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _about_speech(prompt: Prompt, directions: str, facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if not prompt.lines:
        if "audio" not in prompt.parts and not prompt.is_edit:
            fix = 'end with "Audio: ..." and name voice, ambience, effects or music'
            found.append(Finding("no_audio", "warning", "nothing says what is heard", fix))
        return found
    if not _DELIVERY.search(directions) and not prompt.is_edit:
        fix = 'write "speaks to camera" or "with lip-sync" beside the line'
        found.append(Finding("no_delivery", "warning", "a line is quoted, but not how it is delivered", fix))
    for line in prompt.lines:
        if is_foreign(line.text):
            message = f"the line '{shorten(line.text, 40, placeholder='...')}' is in none of the seven languages; it is read as {LANGUAGE_NAMES[line.language]}"
            found.append(
                Finding(
                    "foreign_line",
                    "warning",
                    message,
                    f"write it in one of {', '.join(LANGUAGE_NAMES.values())}",
                )
            )
    if facts.duration_s is None:
        return found
    needed = sum(line.seconds for line in prompt.lines)
    if needed > facts.duration_s:
        message = f"the lines need {needed:.1f} s and the clip lasts {facts.duration_s:g} s"
        fix = f"set duration to {math.ceil(needed)} or shorten the line"
        found.append(Finding("line_too_long", "error", message, fix))
    sentences = sum(len(_SENTENCES.findall(line.text)) or 1 for line in prompt.lines)
    if facts.duration_s < ONE_SENTENCE_BELOW_S and sentences > 1:
        message = f"{sentences} sentences in {facts.duration_s:g} s; under {ONE_SENTENCE_BELOW_S:g} s one sentence reads best"
        fix = "keep the strongest sentence, or lengthen the clip"
        found.append(Finding("many_sentences", "info", message, fix))
    return found


def _about_references(prompt: Prompt, facts: Facts) -> list[Finding]:
    count = facts.num_references
    if count is None:
        return []
    named = [reference for reference in prompt.references if reference.kind in ("character", "image")]
    grouped = {int(name.removeprefix("character")): images for name, images in prompt.characters.items()}
    found: list[Finding] = []
    used: set[int] = set()
    for reference in named:
        images = grouped.get(reference.number) if reference.kind == "character" else None
        used.update(images or (reference.number,))
        if max(images or (reference.number,)) > count:
            message = (
                f"{reference.text} names image {max(images or (reference.number,))} and there {_are(count)}"
            )
            found.append(
                Finding("unbound_reference", "warning", message, "add the image or correct the number")
            )
    unused = [number for number in range(1, count + 1) if number not in used]
    if unused and facts.mode != "i2v":
        fix = f'write "character{unused[0]}" or "[Image {unused[0]}]" where it should appear'
        which = (
            "no image is"
            if not named
            else f"image {', '.join(map(str, unused))} {'is' if len(unused) == 1 else 'are'} not"
        )
        found.append(Finding("unused_reference", "info", f"{which} named in the prompt", fix))
    return found


def _are(count: int) -> str:
    return "is none" if not count else "is 1" if count == 1 else f"are {count}"


def _about_wording(prompt: Prompt, directions: str, quotes: Sequence[Quotation]) -> list[Finding]:
    found: list[Finding] = []
    hits = _hits(_DECORATIVE, directions)
    if hits:
        message = f"decorative words add nothing: {hits}"
        found.append(Finding("decorative", "info", message, "say what is seen instead"))
    hits = _hits(_NEGATIONS, directions, outside=[span for span in prompt.spans if span.part == "audio"])
    if hits and not prompt.is_edit:
        message = f"negative phrasing tends to call up the thing: {hits}"
        found.append(Finding("negative_phrasing", "info", message, "say what is there instead"))
    written = next((quote.words for quote in quotes if quote.written), None)
    asked = _first_affirmed(_RENDERED, directions)
    if written or asked:
        message = f"text in the picture comes out unreadable: {written or asked}"
        found.append(
            Finding(
                "rendered_text", "warning", message, "leave it out and lay text over the clip when editing"
            )
        )
    return found


def _hits(pattern: re.Pattern[str], text: str, outside: Sequence[Span] = ()) -> str:
    """What is found, each once, a few of them; nothing that lies in one of these spans."""
    ranges = [(span.start, span.end) for span in outside]
    found = [
        match[0].strip().lower()
        for match in pattern.finditer(text)
        if not any(start <= match.start() < end for start, end in ranges)
    ]
    return ", ".join(list(dict.fromkeys(found))[:_SHOWN])


def _first_affirmed(pattern: re.Pattern[str], text: str) -> str | None:
    """The first match that no "no" stands before."""
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()].lower()
        if not re.search(
            r"(?:\bno|without|ohne|kein\w*|sans|无|無|不|禁止|严禁|任何)\W{0,2}(?:\w{1,8}\W{0,2})?$", before
        ):
            return match[0].strip(" ,").lower()
    return None


def _about_action(prompt: Prompt, directions: str, facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if _is_sequence(
        blank(directions, [(s.start, s.end) for s in prompt.spans if s.part in ("camera", "audio")])
    ):
        message = "several actions in a row; a clip holds one"
        fix = "compress them into one continuous motion"
        found.append(Finding("action_sequence", "warning", message, fix))
    if _FAST.search(directions) and (worn := _WARDROBE.search(directions)):
        message = f"loose clothes and jewellery smear in fast action: {worn[0].lower()}"
        fix = "slow the action or leave the garment out"
        found.append(Finding("wardrobe_in_action", "info", message, fix))
    count = _num_subjects(prompt, directions)
    if count > MAX_SUBJECTS:
        message = f"{count} subjects; {MAX_SUBJECTS} stay distinct"
        fix = "keep two, or split the scene into clips"
        found.append(Finding("many_subjects", "info", message, fix))
    if (facts.is_series or _SERIES.search(directions)) and not _INVARIANTS.search(directions):
        message = "a persona returns but what must stay is not named"
        found.append(Finding("invariants_missing", "info", message, 'add "same face, same hair"'))
    return found


def _is_sequence(directions: str) -> bool:
    """Three deeds in a row in one sentence, or two with a "then" between them."""
    for sentence in re.split(r"[.!?。！？\n]", directions):
        thens = len(_THEN.findall(sentence))
        if thens >= 2:
            return True
        deeds = len(_NEXT_DEED.findall(sentence))
        if deeds and deeds + (_FIRST_DEED.search(sentence) is not None) + thens >= 3:
            return True
        if thens and len(re.findall("[，、,]", sentence)) >= 3 and re.search(r"[\u3040-\u9fff]", sentence):
            return True
        if thens + len(_KO_AND.findall(sentence)) >= 3:
            return True
    return False


def _num_subjects(prompt: Prompt, directions: str) -> int:
    characters = {reference.number for reference in prompt.references if reference.kind == "character"}
    subject = " , ".join(directions[span.start : span.end] for span in prompt.spans if span.part == "subject")
    people = {match.lower() for match in _PEOPLE.findall(subject)}
    counted = 3 if _COUNTED.search(subject) else 0
    return max(len(characters), len(people), counted)


def _about_gaps(prompt: Prompt, directions: str, facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if "camera" not in prompt.parts and not _CAMERA.search(_TO_CAMERA.sub(" ", directions)):
        fix = "name one, such as locked-off medium close-up or slow push-in"
        found.append(Finding("camera_open", "info", "no camera is named", fix))
    if facts.mode == "i2v":
        return found
    if "style" not in prompt.parts:
        fix = "name one, such as warm flat illustration"
        found.append(Finding("style_open", "info", "no style or light is named", fix))
    if not _TIMES.search(directions):
        found.append(Finding("time_open", "info", "no time of day is named", "name one, such as golden hour"))
    return found
