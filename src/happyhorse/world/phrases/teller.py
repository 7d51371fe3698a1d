"""What may be told of one scene, and the pronouns in which it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from happyhorse.world.phrases.dice import Dice, Split
from happyhorse.world.scene import ATTRIBUTES, Scene
from happyhorse.world.words import known

_KEEP = (1.0, 0.9, 0.9, 0.7, 0.5, 0.25)
_NEAR_FRAMES = {"environment": "in a {n}", "weather": "in a {n}", "time": "at {n}", "hair_style": "{c} {n}"}
_STAND_INS = {
    target: "|".join(word for word, other in known.NEAREST.items() if other == target)
    for target in known.NEAREST.values()
}


class Teller(Dice):
    """A scene, what a caption may say of it, and the dice."""

    def __init__(
        self, scene: Scene, rng: np.random.Generator, split: Split, keep: frozenset[str] | None
    ) -> None:
        super().__init__(rng, split)
        self.scene = scene
        self.facts = scene.attributes()
        if keep is None:
            share = _KEEP[int(rng.integers(len(_KEEP)))]
            told = [name for name in ATTRIBUTES if name != "subject"]
            keep = frozenset(name for name in told if rng.random() < share * self._interest(name))
        self.told = set(keep)
        self.line = ""
        """What was quoted last."""
        self.gendered = "gender" in self.told
        woman = scene.person.gender == "woman"
        self.they = ("she" if woman else "he") if self.gendered else self.pick("they|the person|the speaker")
        self.their = ("her" if woman else "his") if self.gendered else "their"

    def _interest(self, name: str) -> float:
        """How readily a prompt says this: absence of glasses and beards, dry air and silence are rarely worth a word."""
        dull = {"glasses": "no", "beard": "no", "hat": "no", "weather": "clear"}
        if dull.get(name) != self.facts.get(name):
            return 1.0
        return 0.1 if name == "beard" and self.scene.person.gender == "woman" else 0.35

    def say(self, name: str, table: dict[str, str]) -> str:
        """A synonym of an attribute if it may be told, else nothing; now and then a thing for which it stands in."""
        if name not in self.told:
            return ""
        value = self.facts[name]
        if (name, value) in _STAND_INS and self.chance(0.08):
            return _NEAR_FRAMES.get(name, "{n}").replace("{n}", self.pick(_STAND_INS[name, value]))
        return self.word(table, value)

    def listed(self, parts: Sequence[str]) -> str:
        kept = [part for part in parts if part]
        if len(kept) < 2:
            return "".join(kept)
        return ", ".join(kept[:-1]) + self.frame(" and | and |, | plus |*, as well as ") + kept[-1]

    def with_pronouns(self, sentence: str) -> str:
        """Fill in the pronouns and mend their verbs."""
        sentence = sentence.replace("{T}", self.they).replace("{t}", self.their)
        if self.they == "they":
            for one, many in (
                ("has", "have"),
                ("wears", "wear"),
                ("is", "are"),
                ("appears", "appear"),
                ("sports", "sport"),
            ):
                sentence = re.sub(rf"\bthey {one}\b", f"they {many}", sentence)
        return sentence

    def agreeing(self, phrase: str) -> str:
        """Agree a finite verb phrase with "they"."""
        if self.they != "they":
            return phrase
        first, _, rest = phrase.partition(" ")
        plural = {
            "says": "say",
            "says:": "say:",
            "does": "do",
            "is": "are",
            "addresses": "address",
            "has": "have",
        }.get(first)
        return f"{plural or re.sub(r's(?=[:,]?$)', '', first)} {rest}"
