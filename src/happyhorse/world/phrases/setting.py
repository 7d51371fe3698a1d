"""How a caption tells the place, the light and the camera."""

from __future__ import annotations

from happyhorse.world.phrases.mend import bare
from happyhorse.world.phrases.teller import Teller
from happyhorse.world.words import filming, surroundings, undrawn


class SettingPhrases(Teller):
    """Where, when, in what weather; framing and movement."""

    def setting(self, *, nouns: bool = False) -> list[str]:
        """Place, time and weather, each if told: as adverbials, or as bare nouns for tags and blocks."""
        place = self.say("environment", surroundings.ENVIRONMENT).replace(
            "{k}", self.pick(undrawn.ANY_COLOUR)
        )
        if not nouns:
            return [place, self.say("time", surroundings.TIME), self.say("weather", surroundings.WEATHER)]
        return [
            f"{bare(place)}{self.pick('|| setting| scene| background')}"
            if place and self.chance(0.8)
            else place,
            self.say("time", surroundings.TIME_NOUNS),
            self.say("weather", surroundings.WEATHER_NOUNS),
        ]

    def camera(self, *, clauses: bool = False) -> list[str]:
        """Framing and movement, each if told."""
        shot = self.say("shot", filming.SHOT)
        move = self.say("move", filming.MOVE_CLAUSES if clauses and self.chance(0.6) else filming.MOVE)
        other = self.pick(undrawn.OTHER_MOVES) if not move and self.chance(0.12) else ""
        return self.shuffled([shot, move, other])
