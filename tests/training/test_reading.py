"""How well an encoder reads what it never saw: the shipped one its own words, an untrained one nothing, new words less than known ones."""

from importlib import resources
from pathlib import Path

import pytest
import torch

from happyhorse.model.text import TextConfig, TextEncoder
from happyhorse.training.reading import accuracies, scores, swap_accuracy
from happyhorse.world.scene import ATTRIBUTES

SHIPPED = Path(str(resources.files("happyhorse") / "weights/nano/text.safetensors"))


@pytest.fixture(scope="module")
def trained():
    return TextEncoder.load(SHIPPED)


@pytest.fixture(scope="module")
def untrained(trained):
    torch.manual_seed(0)
    return TextEncoder(
        TextConfig(trained.config.attributes, hidden=64, num_layers=2, num_heads=2), trained.tokenizer
    ).eval()


def test_known_words_are_read_better_than_new_ones_and_are_named_so(trained):
    known, turned, new = scores(trained, prompts=48, pairs=8)
    assert (known.split, turned.split, new.split) == ("train", "eval", "eval-words")
    assert known.attributes.keys() == ATTRIBUTES.keys()
    told = [sum(told for told, _ in score.attributes.values()) for score in (known, turned, new)]
    assert told[0] > 0.97 * len(ATTRIBUTES)
    assert told[0] >= told[1] > told[2]
    assert known.swapped > 0.8 > new.swapped
    assert known.line().startswith("as trained")
    assert f"swapped and both read {known.swapped:4.0%}" in known.line()


def test_an_untrained_encoder_scores_like_one(untrained):
    shares = accuracies(untrained, split="train", size=48)
    assert sum(told for told, _ in shares.values()) < 0.4 * len(ATTRIBUTES)
    assert swap_accuracy(untrained, size=8) < 0.3


def test_the_same_seed_gives_the_same_score(trained):
    first, again = (accuracies(trained, split="eval", size=32) for _ in range(2))
    assert repr(first) == repr(again)
