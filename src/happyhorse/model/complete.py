"""What a prompt leaves open, decided by the seed: asked for anything, a network draws a mixture of everything.

The prompt stays as it is; a sentence of plain words after it says the rest, and the clip's notes say that it was chosen.
Training completes most of its prompts in the same words. Attributes and values are those of the text encoder
(`TextConfig.attributes`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

Reading = Mapping[str, str | None]
"""What was understood of a prompt: a value for each attribute, None where it says nothing."""

_USUAL: Mapping[str, tuple[str, ...]] = {
    "skin": ("fair", "light", "tan", "brown", "dark"),
    "hair_colour": ("black", "brown", "blonde", "ginger", "grey"),
    "garment": ("t-shirt", "sweater", "hoodie", "jacket", "shirt"),
    "top_colour": ("red", "orange", "yellow", "green", "blue", "purple", "white"),
    "glasses": ("no",),
    "beard": ("no",),
    "hat": ("no",),
    "environment": ("studio", "cafe", "kitchen", "office", "street", "beach", "forest"),
    "time": ("day",),
    "weather": ("clear",),
    "shot": ("medium shot",),
    "move": ("locked",),
}
_BALLS = tuple(f"{colour} ball" for colour in ("red", "orange", "yellow", "green", "blue", "purple"))
_OF_A_BALL = ("environment", "time", "weather", "shot", "move")
_HAIR_STYLES = {"woman": ("long", "bob", "bun", "curly", "short"), "man": ("short", "buzz", "curly", "quiff")}
_YES_OR_NO = {"glasses": ("glasses", "no glasses"), "beard": ("a beard", "no beard")}
_WORDS = {
    "beach": "on a beach",
    "bob": "bob haircut",
    "bun": "hair in a bun",
    "buzz": "buzz cut",
    "clear": "clear weather",
    "curly": "curly hair",
    "day": "by day",
    "forest": "in a forest",
    "locked": "locked camera",
    "long": "long hair",
    "man": "a man",
    "plain": "a plain background",
    "quiff": "a quiff",
    "short": "short hair",
    "street": "on a street",
    "studio": "in a studio",
    "woman": "a woman",
}


def choose(reading: Reading, seed: int) -> dict[str, str]:
    """Return values for what the reading leaves open; nothing is chosen for speech, which the lines decide."""
    if shows_ball(reading):
        given = {name: value for name, value in reading.items() if value != "ball"}
        options = {"subject": _BALLS, **{name: _USUAL[name] for name in _OF_A_BALL}}
        return {name: _one_of(v, seed, name) for name, v in options.items() if given.get(name) is None}
    gender = reading.get("gender") or _one_of(("woman", "man"), seed, "gender")
    options = {"gender": (gender,), "hair_style": _HAIR_STYLES[gender], **_USUAL}
    if gender == "woman":
        del options["beard"]
    return {
        name: _one_of(values, seed, name) for name, values in options.items() if reading.get(name) is None
    }


def shows_ball(reading: Reading) -> bool:
    """Whether a ball is asked for in the person's place."""
    return (reading.get("subject") or "").endswith("ball")


def said(chosen: Mapping[str, str], reading: Reading) -> str:
    """Return the chosen values as phrases that the text encoder knows, joined by commas."""
    phrases = [
        _phrase(name, value) for name, value in chosen.items() if name not in ("garment", "top_colour")
    ]
    if {"garment", "top_colour"} & set(chosen):
        colour, garment = (chosen.get(name) or reading.get(name) for name in ("top_colour", "garment"))
        phrases.append(_an(f"{colour} {garment}"))
    return ", ".join(phrases)


def complete(prompt: str, chosen: Mapping[str, str], reading: Reading) -> str:
    """Return the prompt with a sentence after it that says what was chosen."""
    if not chosen:
        return prompt
    ended = prompt.rstrip()
    stop = "" if ended.endswith((".", "!", "?", '"', "\u201d", "\u3002", "\u300d")) else "."
    return f"{ended}{stop} {said(chosen, reading).capitalize()}."


def _one_of(values: tuple[str, ...], seed: int, name: str) -> str:
    """Each attribute throws its own dice, so that a word more in the prompt changes that attribute alone."""
    return random.Random(f"{seed} {name}").choice(values)


def _phrase(name: str, value: str) -> str:
    if name in _YES_OR_NO:
        yes, no = _YES_OR_NO[name]
        return yes if value == "yes" else no
    if name in ("skin", "hair_colour"):
        return f"{value} {'skin' if name == 'skin' else 'hair'}"
    if name == "environment":
        return _WORDS.get(value, f"in {_an(value)}")
    if name == "hat":
        return "no hat" if value == "no" else _an(value)
    return _an(value) if name == "subject" else _WORDS.get(value, value)


def _an(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
