"""A text encoder that grows with the world: it still reads what it could, and goes on from its weights alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from happyhorse.model.text import TextConfig, TextEncoder, train_tokenizer
from happyhorse.training import text as training
from happyhorse.training.text import GROWN_RATE, Trainer, draw_batch, grown_encoder
from happyhorse.world.scene import ATTRIBUTES

PROMPTS = ["A woman with grey hair and a green jacket on a beach.", "close-up of a man at night", ""]
OLD = {name: values for name, values in ATTRIBUTES.items() if name != "subject"}
GROWN_VALUES = "hat"
small = partial(TextConfig, vocab_size=500, num_layers=2, hidden=64, num_heads=2)


@pytest.fixture
def smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TextEncoder:
    """An encoder of an earlier world, saved: without the last attribute, and with fewer hats."""
    monkeypatch.setattr(training, "TextConfig", small)
    monkeypatch.setattr(training, "new_encoder", partial(training.new_encoder, num_captions=60))
    torch.manual_seed(0)
    texts = [sample.caption.text for sample in draw_batch(np.random.default_rng(0), 60)]
    earlier = {**OLD, GROWN_VALUES: OLD[GROWN_VALUES][:2]}
    encoder = TextEncoder(small(tuple(earlier.items())), train_tokenizer(texts, vocab_size=500))
    encoder.save(tmp_path / "text.safetensors")
    return encoder.eval()


def test_a_grown_encoder_reads_what_the_smaller_one_read(smaller: TextEncoder, tmp_path: Path) -> None:
    grown = grown_encoder(tmp_path / "text.safetensors").eval()
    assert grown.config.attributes == tuple(ATTRIBUTES.items())
    torch.testing.assert_close(grown.encode(PROMPTS), smaller.encode(PROMPTS))
    for before, now in zip(smaller.read(PROMPTS), grown.read(PROMPTS), strict=True):
        assert now.keys() == ATTRIBUTES.keys()
        for name in OLD.keys() - {GROWN_VALUES}:
            assert now[name].value == before[name].value
            assert now[name].probability == pytest.approx(before[name].probability, rel=1e-4)


def test_training_goes_on_from_weights_alone_more_slowly(smaller: TextEncoder, tmp_path: Path) -> None:
    out = tmp_path / "text.safetensors"
    resumed = Trainer(out, minutes=1.0, seed=5, resume=True)
    assert resumed.learning_rate == GROWN_RATE
    torch.testing.assert_close(resumed.encoder.encode(PROMPTS), smaller.encode(PROMPTS))
    resumed.save()
    again = Trainer(out, minutes=1.0, seed=6, resume=True)
    assert again.learning_rate == GROWN_RATE
    torch.testing.assert_close(again.encoder.encode(PROMPTS), smaller.encode(PROMPTS))
