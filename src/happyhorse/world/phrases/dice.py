"""The dice of a caption: one of many phrases, of which the splits of evaluation may use more than training does."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Literal

import numpy as np

Split = Literal["train", "eval", "eval-words"]


@functools.cache
def _options(choices: str, split: Split, *, held: bool) -> tuple[str, ...]:
    """The entries of a |-separated list that a split may use; `held`: those with a star, in an eval split."""
    entries = choices.split("|")
    plain = tuple(entry for entry in entries if not entry.startswith("*"))
    starred = tuple(entry[1:] for entry in entries if entry.startswith("*"))
    return starred if held and starred and split != "train" else plain


class Dice:
    """Picks among phrases; entries with a star are held out of training."""

    def __init__(self, rng: np.random.Generator, split: Split) -> None:
        self.rng, self.split = rng, split

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, choices: str, *, held: bool = False) -> str:
        options = _options(choices, self.split, held=held)
        return options[int(self.rng.integers(len(options)))]

    def frame(self, choices: str) -> str:
        """Pick a turn of phrase; both eval splits take held-out ones."""
        return self.pick(choices, held=True)

    def word(self, table: dict[str, str], value: str) -> str:
        """Pick a synonym of a value: the plain word often, a held-out one in "eval-words"."""
        held = self.split == "eval-words"
        options = _options(table[value], self.split, held=held)
        if not held and self.chance(0.3):
            return options[0]
        return options[int(self.rng.integers(len(options)))]

    def shuffled(self, parts: Iterable[str]) -> list[str]:
        kept = [part for part in parts if part]
        return [kept[int(i)] for i in self.rng.permutation(len(kept))]
