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
_ASKED = frozenset({"gender", "hair_colour", "top_colour", "environment"})
_COLOURS = ("hair_colour", "top_colour")


@dataclass(frozen=True)
class Swap:
    """Two prompts that differ in which colour goes where, and what was read of both clips."""

    prompts: tuple[str, str]
    read: tuple[tuple[str, str], tuple[str, str]]
    """(hair, top) of each clip."""
    right: bool


def swap_pairs(count: int) -> Iterator[tuple[Scene, Scene]]:
    """Yield unseen scenes with those whose two colours are exchanged."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_scene(seed, seconds=3)
        other = swapped_colours(scene)
        seed += 1
        if other is not None and scene.line:
            found += 1
            yield scene, other


def try_swaps(
    make: Callable[[str, int, Path], None], instrument: Instrument, *, folder: Path, count: int
) -> list[Swap]:
    """Make both clips of each pair with `make(prompt, seed, path)` and read their colours."""
    folder.mkdir(parents=True, exist_ok=True)
    swaps = []
    for number, pair in enumerate(swap_pairs(count)):
        prompts, read = [], []
        for side, scene in enumerate(pair):
            told = caption(scene, np.random.default_rng(number), keep=_ASKED)
            prompts.append(told.text)
            path = folder / f"swap-{number:03d}-{side}.mp4"
            make(told.text, number, path)
            seen = instrument.read(as_pictures(np.asarray(decode_video(path, size=READ_SIZE))[5::12]))
            read.append((seen["hair_colour"], seen["top_colour"]))
        asked = [tuple(scene.attributes()[name] for name in _COLOURS) for scene in pair]
        swaps.append(Swap((prompts[0], prompts[1]), (read[0], read[1]), read == asked))
    return swaps
