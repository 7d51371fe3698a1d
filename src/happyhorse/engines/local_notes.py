"""What a local engine says of a finished clip: what the seed chose, and what was asked for and is not in it."""

import re
from collections.abc import Iterator, Mapping

from happyhorse.engines.camera import MOVES
from happyhorse.engines.plan import Plan
from happyhorse.model.complete import Reading, said, shows_ball
from happyhorse.prompt.known import directions
from happyhorse.prompt.read import read_prompt

_PERSON = re.compile(r"\b(?:wom[ae]n|m[ae]n|persons?|people|girls?|boys?|lady|guy|she|he)\b")
_BALL = re.compile(r"\bballs?\b")


def notes_of(plan: Plan, chosen: Mapping[str, str], reading: Reading, *, still: bool) -> Iterator[str]:
    """Yield sentences; `still` says that the first frame was shown as it is."""
    if chosen:
        yield f"left open by the prompt, chosen by the seed: {said(chosen, reading)}"
    if reading["move"] in MOVES:
        yield f"the camera's {reading['move']} is cut from a picture whose own camera stands still"
    if still:
        yield "the image has more in it than nano can move: it stays as it is, under camera and sound"
        return
    asked = directions(read_prompt(plan.prompt))
    if shows_ball(reading) and _PERSON.search(asked):
        yield "nano shows a person or a ball: here it is the ball"
    if not shows_ball(reading) and _BALL.search(asked):
        yield "nano shows a person or a ball: here it is the person"
    if reading["hat"] not in (None, "no"):
        yield "in nano's world a hat has the colour of the top"
