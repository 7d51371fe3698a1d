"""How well a text encoder reads prompts of scenes that it never saw: in known words, in new turns of phrase, in new words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from happyhorse.model.text import TextEncoder
from happyhorse.training.text import draw_batch
from happyhorse.world.caption import caption, swapped_colours
from happyhorse.world.phrases.dice import Split
from happyhorse.world.scene import ATTRIBUTES, sample_scene

EVAL_SEED = 2**40
"""Scenes of evaluation are numbered from here; training stays below."""
PROMPTS, PAIRS = 256, 64
CHUNK = 64

_SPLITS: dict[Split, str] = {"train": "as trained", "eval": "new turns of phrase", "eval-words": "new words"}
_COLOURS = frozenset({"hair_colour", "top_colour"})


@dataclass(frozen=True)
class Score:
    """Shares of one split: of each attribute, how often it is read where it is told and left alone where not; and of swapped pairs."""

    split: Split
    attributes: dict[str, tuple[float, float]]
    swapped: float

    def line(self) -> str:
        told, untold = (np.nanmean(shares) for shares in zip(*self.attributes.values(), strict=True))
        weakest = min(self.attributes, key=lambda name: np.nan_to_num(self.attributes[name][0], nan=1.0))
        return (
            f"{_SPLITS[self.split]:<20} told and read {told:4.0%}, least {weakest} {self.attributes[weakest][0]:.0%}; "
            f"untold and left alone {untold:4.0%}; two colours swapped and both read {self.swapped:4.0%}"
        )


def scores(encoder: TextEncoder, *, prompts: int = PROMPTS, pairs: int = PAIRS) -> Iterator[Score]:
    """Yield how well the encoder reads each split, the words of training first."""
    for split in _SPLITS:
        attributes = accuracies(encoder, split=split, size=prompts)
        yield Score(split, attributes, swap_accuracy(encoder, split=split, size=pairs))


def accuracies(
    encoder: TextEncoder, *, split: Split, size: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Per attribute: share of mentioned ones read right, share of unmentioned ones left alone; on unseen scenes."""
    samples = draw_batch(np.random.default_rng([seed, 2]), size, split=split, first_seed=EVAL_SEED)
    hits: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    quiet: dict[str, list[bool]] = {name: [] for name in ATTRIBUTES}
    for i in range(0, size, CHUNK):
        chunk = samples[i : i + CHUNK]
        for sample, reading in zip(chunk, encoder.read([s.caption.text for s in chunk]), strict=True):
            for (name, values), target in zip(ATTRIBUTES.items(), sample.targets(), strict=True):
                if target < len(values):
                    hits[name].append(reading[name].value == values[target])
                else:
                    quiet[name].append(reading[name].value is None)
    return {name: (_mean(hits[name]), _mean(quiet[name])) for name in ATTRIBUTES}


def swap_accuracy(encoder: TextEncoder, *, size: int, split: Split = "train", seed: int = 0) -> float:
    """Share of prompt pairs, alike but for two colours exchanged, in which both colours of both prompts are read right."""
    rng = np.random.default_rng([seed, 3])
    right: list[bool] = []
    while len(right) < size:
        scene = sample_scene(EVAL_SEED + int(rng.integers(2**40)))
        swapped = swapped_colours(scene)
        if swapped is None:
            continue
        keep = _COLOURS | {"garment"} | {n for n in ATTRIBUTES if rng.random() < 0.4}
        dice = int(rng.integers(2**40))
        pair = [caption(one, np.random.default_rng(dice), split=split, keep=keep) for one in (scene, swapped)]
        if any(not one.mentioned >= _COLOURS for one in pair):
            continue
        readings = encoder.read([one.text for one in pair])
        right.append(
            all(
                reading[name].value == one.attributes()[name]
                for one, reading in zip((scene, swapped), readings, strict=True)
                for name in _COLOURS
            )
        )
    return _mean(right)


def _mean(values: list[bool]) -> float:
    return sum(values) / len(values) if values else math.nan
