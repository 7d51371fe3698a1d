"""A ball is let fall: when it meets the floor, how hard, and how high it stands in between. Gravity and restitution, nothing else.

The world draws and sounds by it; an engine plans by it, so that what is seen and what is heard follow one clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SOUND_S = 0.25
_LEAST_SPEED = 0.18
"""Where the ball comes to rest, against the speed of its first impact."""


@dataclass(frozen=True)
class Impact:
    """The ball meets the floor; `speed` is 1 the first time."""

    time_s: float
    speed: float

    @property
    def sound_s(self) -> float:
        """How long its sound lasts."""
        return _SOUND_S * self.speed


@dataclass(frozen=True)
class Fall:
    """Let go at `start_s`, on the floor `fall_s` later; each impact leaves `restitution` of the speed."""

    start_s: float
    fall_s: float
    restitution: float

    @classmethod
    def sample(cls, seed: int) -> Fall:
        """Throw the dice for a lively ball that falls from high up, so slowly as high things seem to: three to five impacts in five seconds."""
        dice = random.Random(f"{seed} fall")
        return cls(dice.uniform(0.08, 0.4), dice.uniform(0.70, 0.90), dice.uniform(0.84, 0.92))

    def impacts(self, seconds: float) -> list[Impact]:
        """Return the impacts before `seconds`, until the ball rests."""
        found, time_s, speed = [], self.start_s + self.fall_s, 1.0
        while time_s < seconds and speed > _LEAST_SPEED:
            found.append(Impact(time_s, speed))
            speed *= self.restitution
            time_s += 2 * self.fall_s * speed
        return found

    def heights(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the height over the floor at each time: 1 where the ball was let go, 0 on the floor."""
        height = 1 - np.clip((time_s - self.start_s) / self.fall_s, 0, 1) ** 2
        for impact in self.impacts(float(time_s.max(initial=0.0))):
            speed = impact.speed * self.restitution
            since = (time_s - impact.time_s) / self.fall_s
            height = np.where((since >= 0) & (since < 2 * speed), since * (2 * speed - since), height)
        return np.asarray(height)
