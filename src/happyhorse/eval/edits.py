"""What was said against what was heard: the fewest edits between two sequences, and the error rate over many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Edit = tuple[str, str]
"""A symbol that was said and the one heard in its place; "" where nothing was."""


@dataclass(frozen=True)
class Heard:
    """One utterance: the symbols that were said and those that were heard."""

    said: tuple[str, ...]
    heard: tuple[str, ...]


def edits(said: Sequence[str], heard: Sequence[str]) -> list[Edit]:
    """Return a shortest list of substitutions, deletions and insertions that turns what was said into what was heard."""
    cost = np.zeros((len(said) + 1, len(heard) + 1), np.int64)
    cost[:, 0], cost[0, :] = np.arange(len(said) + 1), np.arange(len(heard) + 1)
    for i, one in enumerate(said, 1):
        for j, other in enumerate(heard, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (one != other), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    return _path_back(cost, said, heard)


def _path_back(cost: np.ndarray, said: Sequence[str], heard: Sequence[str]) -> list[Edit]:
    found: list[Edit] = []
    i, j = len(said), len(heard)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (said[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            if said[i] != heard[j]:
                found.append((said[i], heard[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            found.append((said[i], ""))
        else:
            j -= 1
            found.append(("", heard[j]))
    return found[::-1]


def error_rate(utterances: Iterable[Heard]) -> float:
    """Return the edits over the symbols that were said, all utterances together; above 1 where much was added.

    Raises: ValueError when nothing was said.
    """
    utterances = tuple(utterances)
    num_said = sum(len(one.said) for one in utterances)
    if not num_said:
        raise ValueError("no symbol was said, so there is no rate of errors")
    return sum(len(edits(one.said, one.heard)) for one in utterances) / num_said
