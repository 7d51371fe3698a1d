"""What a scene of the world is: frozen facts from which pictures, sound and prompts are derived.

A `Scene` holds the six parts of a prompt (subject, action, environment, style, camera, audio). It is drawn by `draw`, heard
through `sound` and told by `caption`; the same scene always gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from happyhorse.bounce import Fall
from happyhorse.world.lines import sample_line

Colour = tuple[int, int, int]

SKIN: dict[str, Colour] = {
    "fair": (250, 216, 190),
    "light": (240, 192, 158),
    "tan": (214, 155, 112),
    "brown": (166, 108, 76),
    "dark": (120, 78, 56),
}
HAIR: dict[str, Colour] = {
    "black": (38, 34, 42),
    "brown": (104, 66, 42),
    "blonde": (236, 196, 104),
    "ginger": (208, 98, 42),
    "grey": (150, 152, 160),
    "white": (238, 238, 240),
    "pink": (240, 122, 172),
    "blue": (62, 112, 214),
    "green": (64, 168, 96),
    "purple": (136, 82, 190),
}
TOP: dict[str, Colour] = {
    "red": (214, 54, 58),
    "orange": (240, 136, 44),
    "yellow": (248, 208, 72),
    "green": (58, 160, 92),
    "blue": (54, 104, 206),
    "purple": (130, 78, 186),
    "pink": (240, 130, 176),
    "white": (244, 244, 242),
    "grey": (146, 150, 158),
    "black": (46, 46, 54),
}
BALL_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
HAIR_STYLES = {
    "woman": ("long", "bob", "bun", "curly", "short"),
    "man": ("short", "buzz", "curly", "long", "quiff"),
}
HATS = ("no", "cap", "beanie", "straw hat")
HAT_SHARE, VOICE_OVER_SHARE = 0.3, 0.2
GARMENTS = ("t-shirt", "sweater", "hoodie", "jacket", "shirt")
ENVIRONMENTS = ("studio", "cafe", "kitchen", "office", "street", "beach", "forest", "plain")
TIMES = ("day", "golden hour", "night")
WEATHERS = ("clear", "rain")
SHOTS = ("close-up", "medium shot")
MOVES = ("locked", "push-in", "pull-out", "pan left", "pan right", "handheld")
OPEN_AIR = frozenset({"street", "beach", "forest"})


@dataclass(frozen=True)
class Person:
    """One identity: look, voice and manner. `manner` seeds blink rate, posture and head motion."""

    gender: str
    skin: str
    hair_style: str
    hair_colour: str
    garment: str
    top_colour: str
    glasses: bool
    beard: bool
    voice: str
    manner: int
    hat: str = "no"


@dataclass(frozen=True)
class Ball:
    """A ball that is let fall onto a table."""

    colour: str
    fall: Fall


@dataclass(frozen=True)
class Scene:
    """One shot of one person who speaks to camera, or is silent where `line` is empty.

    With a `ball`, it is seen in the person's place and the person, if heard, speaks from beside the camera.
    """

    person: Person
    environment: str
    time: str
    weather: str
    shot: str
    move: str
    line: str
    line_start_s: float
    seed: int
    ball: Ball | None = None

    def attributes(self) -> dict[str, str]:
        """Ground truth by name: what a prompt may say and a reader of frames may be asked."""
        shared = {
            "environment": self.environment,
            "time": self.time,
            "weather": self.weather,
            "shot": self.shot,
            "move": self.move,
            "speaks": "yes" if self.line else "no",
        }
        if self.ball:
            return {"subject": f"{self.ball.colour} ball", **shared}
        person = self.person
        return {
            "subject": "person",
            "gender": person.gender,
            "skin": person.skin,
            "hair_style": person.hair_style,
            "hair_colour": person.hair_colour,
            "garment": person.garment,
            "top_colour": person.top_colour,
            "glasses": "yes" if person.glasses else "no",
            "beard": "yes" if person.beard else "no",
            "hat": person.hat,
            **shared,
        }


ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "gender": ("woman", "man"),
    "skin": tuple(SKIN),
    "hair_style": ("long", "bob", "bun", "curly", "short", "buzz", "quiff"),
    "hair_colour": tuple(HAIR),
    "garment": GARMENTS,
    "top_colour": tuple(TOP),
    "glasses": ("no", "yes"),
    "beard": ("no", "yes"),
    "environment": ENVIRONMENTS,
    "time": TIMES,
    "weather": WEATHERS,
    "shot": SHOTS,
    "move": MOVES,
    "speaks": ("no", "yes"),
    "hat": HATS,
    "subject": ("person", "ball", *(f"{colour} ball" for colour in BALL_COLOURS)),
}
"""Values by name. A ball without a colour is one that a prompt leaves open; no scene has it."""

VOICES = {"woman": ("en-us-female", "en-gb-female"), "man": ("en-us-male", "en-gb-male")}


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def sample_person(rng: np.random.Generator) -> Person:
    """Draw an identity; every colour is as likely as any other, so that none is learned as the default."""
    gender = _pick(rng, ("woman", "man"))
    person = Person(
        gender=gender,
        skin=_pick(rng, tuple(SKIN)),
        hair_style=_pick(rng, HAIR_STYLES[gender]),
        hair_colour=_pick(rng, tuple(HAIR)),
        garment=_pick(rng, GARMENTS),
        top_colour=_pick(rng, tuple(TOP)),
        glasses=bool(rng.random() < 0.3),
        beard=gender == "man" and bool(rng.random() < 0.35),
        voice=_pick(rng, VOICES[gender]),
        manner=int(rng.integers(2**31)),
    )
    dice = np.random.default_rng((person.manner, 3))
    return replace(person, hat=_pick(dice, HATS[1:]) if dice.random() < HAT_SHARE else "no")


def sample_scene(seed: int, *, seconds: float = 5.0) -> Scene:
    """Draw scene number `seed`; its line, if any, is short enough to be spoken within `seconds`."""
    rng = np.random.default_rng(seed)
    person = sample_person(rng)
    environment = _pick(rng, ENVIRONMENTS)
    speaks = rng.random() < 0.9
    return Scene(
        person=person,
        environment=environment,
        time=_pick(rng, TIMES),
        weather="rain" if rng.random() < 0.25 else "clear",
        shot=_pick(rng, SHOTS),
        move=_pick(rng, MOVES),
        line=sample_line(rng, seconds=seconds - 0.5) if speaks else "",
        line_start_s=float(rng.uniform(0.1, 0.4)),
        seed=seed,
    )


def sample_ball_scene(seed: int, *, seconds: float = 5.0) -> Scene:
    """Draw scene number `seed` with a ball in it; now and then someone unseen speaks over it."""
    dice = np.random.default_rng((seed, 51))
    scene = sample_scene(seed, seconds=seconds)
    ball = Ball(_pick(dice, BALL_COLOURS), Fall.sample(seed))
    return replace(scene, ball=ball, line=scene.line if dice.random() < VOICE_OVER_SHARE else "")
