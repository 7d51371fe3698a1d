"""What a caption says and the world does not draw: deeds, things, praise."""

from __future__ import annotations

from happyhorse.world.phrases.teller import Teller
from happyhorse.world.words import undrawn


class UndrawnPhrases(Teller):
    """Words around the truth, which the encoder learns to leave alone."""

    def action(self) -> str:
        return self.pick(undrawn.ACTIONS)

    def deed(self) -> str:
        """A sentence about what the person does; the world draws none of it."""
        frame = self.pick(
            "{T} {d} the {n}|{T} {d} {t} {n}|{T} {d} a {c} {n}|{T} {d} the {n}, {t} hand on a {c} {m}"
        )
        frame = frame.replace("{c}", self.pick(undrawn.ANY_COLOUR)).replace(
            "{n}", self.pick(f"{undrawn.THINGS}|ball|football")
        )
        frame = (
            frame.replace("{m}", self.pick(undrawn.THINGS))
            .replace("{T}", self.they)
            .replace("{t}", self.their)
        )
        return frame.replace("{d}", self.agreeing(self.pick(undrawn.DEEDS)).strip())

    def decor(self, most: int) -> list[str]:
        return [self.pick(undrawn.DECOR) for _ in range(int(self.rng.integers(most + 1)))]

    def scenery(self) -> str:
        """A sentence about a coloured thing that the world does not hold: a trap for anyone who counts words."""
        frame = self.frame(undrawn.SCENERY)
        colour = self.pick(undrawn.ANY_COLOUR)
        for slot, choices in (
            ("{n}", undrawn.THINGS),
            ("{m}", undrawn.THINGS),
            ("{v}", undrawn.DOINGS),
            ("{a}", undrawn.MOODS),
        ):
            frame = frame.replace(slot, self.pick(choices))
        return frame.replace("{c}", colour)
