"""The colour swap: "grey hair, green jacket" against "green hair, grey jacket". A network that only hears colours fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from happyhorse.eval.instrument import Instrument, as_pictures
from happyhorse.eval.nano import READ_SIZE
from happyhorse.media.read import decode_video
from happyhorse.world.caption import caption, swapped_colours
from happyhorse.world.scene import Scene, sample_scene

FIRST_SEED = 3_300_000_000
"""Scenes from here on are never trained on."""
_KEPT = frozenset({"gender", "hair_colour", "top_colour", "environment"})
_COLOURS = ("hair_colour", "top_colour")


@dataclass(frozen=True)
class Asked:
    """A prompt and the colours of (hair, top) that it names."""

    prompt: str
    colours: tuple[str, str]


@dataclass(frozen=True)
class Swap:
    """Two prompts that differ in which colour goes where, and what was read of both clips."""

    prompts: tuple[str, str]
    read: tuple[tuple[str, str], tuple[str, str]]
    """(hair, top) of each clip."""
    right: bool


def swap_pairs(count: int) -> Iterator[tuple[Asked, Asked]]:
    """Yield prompts of unseen scenes, each with that of the same scene with its two colours exchanged; all of them name both."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_scene(seed, seconds=3)
        other = swapped_colours(scene)
        seed += 1
        if other is None or not scene.line:
            continue
        told = [caption(each, np.random.default_rng(seed), keep=_KEPT) for each in (scene, other)]
        if all(one.mentioned >= set(_COLOURS) for one in told):
            found += 1
            yield Asked(told[0].text, _colours_of(scene)), Asked(told[1].text, _colours_of(other))


def try_swaps(
    make: Callable[[str, int, Path], None], instrument: Instrument, *, folder: Path, count: int
) -> list[Swap]:
    """Make both clips of each pair with `make(prompt, seed, path)` and read their colours."""
    folder.mkdir(parents=True, exist_ok=True)
    swaps = []
    for number, (one, other) in enumerate(swap_pairs(count)):
        read = []
        for side, asked in enumerate((one, other)):
            path = folder / f"swap-{number:03d}-{side}.mp4"
            make(asked.prompt, number, path)
            seen = instrument.read(as_pictures(np.asarray(decode_video(path, size=READ_SIZE))[5::12]))
            read.append((seen["hair_colour"], seen["top_colour"]))
        right = read == [one.colours, other.colours]
        swaps.append(Swap((one.prompt, other.prompt), (read[0], read[1]), right))
    return swaps


def _colours_of(scene: Scene) -> tuple[str, str]:
    hair, top = (scene.attributes()[name] for name in _COLOURS)
    return hair, top
