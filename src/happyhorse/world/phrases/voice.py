"""How a caption tells the voice, and what it has in quotes."""

from __future__ import annotations

from happyhorse.world.phrases.mend import capital
from happyhorse.world.phrases.teller import Teller
from happyhorse.world.words import action, surroundings, undrawn

_SCRIPTS = (
    (0x4E00, 0x9FA0),
    (0x3041, 0x30FB),
    (0xAC00, 0xD7A4),
    (0x0430, 0x0450),
    (0x0627, 0x064A),
    (0x0905, 0x0939),
)
"""Ranges of letters: Han, kana, Hangul, Cyrillic, Arabic, Devanagari."""
_QUOTES = '"~"|"~"|"~"|\'~\'|“~”|“~”|\u2018~\u2019|«~»|„~“|「~」|:~'


class VoicePhrases(Teller):
    """Speech or silence; the line, or words that only look as if they told the scene."""

    def quoted(self) -> str:
        """The spoken line in one of the ways people quote."""
        line = self.scene.line
        if self.chance(0.05):
            line = self.foreign()
        elif self.chance(0.2):
            line = self.trap()
        elif self.chance(0.15):
            line = line.rstrip(".")
        self.line = line
        opening, closing = self.pick(_QUOTES).split("~")
        return f"{opening}{line}{closing}" if opening != ":" else f": {line}"

    def speech(self, *, finite: bool) -> str:
        """A verb phrase for the voice or its absence, or nothing."""
        if "speaks" not in self.told:
            return ""
        talking = action.SPEAKS if finite else action.SPEAKING
        phrase = self.say("speaks", talking)
        if self.facts["speaks"] == "no" or self.chance(0.3):
            return phrase
        verb = (
            self.frame("says|says|says:|tells us:|announces,|explains:|whispers|exclaims|*states,|*declares:")
            if finite
            else self.frame("saying|saying:|announcing|telling us:|*stating:")
        )
        if self.chance(0.3):
            return f"{phrase}, {self.pick('saying|saying:|with the words|lip-synced:')} {self.quoted()}"
        return f"{verb} {self.quoted()}"

    def trap(self) -> str:
        """A spoken line full of words that would mean something outside the quotes."""
        tables = (surroundings.TIME, surroundings.ENVIRONMENT, surroundings.WEATHER)
        anywhere = [self.pick("|".join(table.values())) for table in tables if self.chance(0.5)]
        colour, thing = (
            self.pick(undrawn.ANY_COLOUR),
            self.pick(f"{undrawn.THINGS}|hair|jacket|shirt|sweater|coat|dress"),
        )
        start = self.pick(
            "the {c} {n} is here|I love my {c} {n}|bring the {c} {n}|where is the {c} {n}|I met you"
        )
        line = " ".join([start.replace("{c}", colour).replace("{n}", thing), *anywhere]).replace(
            "{k}", colour
        )
        return capital(line) + self.pick(".|!|")

    def foreign(self) -> str:
        """Letters of another script: what they say is for the speech path to know, not for the encoder."""
        first, last = _SCRIPTS[int(self.rng.integers(len(_SCRIPTS)))]
        letters = [chr(int(code)) for code in self.rng.integers(first, last, int(self.rng.integers(4, 24)))]
        return "".join(letter + (" " if self.chance(0.15) else "") for letter in letters)
