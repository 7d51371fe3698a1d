"""The text encoder: every string can be read, padding changes nothing, one file is enough."""

from pathlib import Path

import numpy as np
import pytest
import torch

from happyhorse.errors import WeightsMissing
from happyhorse.model.text import PAD, TextConfig, TextEncoder, train_tokenizer
from happyhorse.training import text as training
from happyhorse.training.text import Report, Sample, Trainer, draw_batch
from happyhorse.world.caption import caption
from happyhorse.world.scene import ATTRIBUTES, sample_scene

PROMPTS = [
    "A woman with grey hair and a green jacket on a beach at sunset.",
    "close-up",
    "Subject: a man. Audio: he says “Hello there!”",
    "",
]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    texts = [sample.caption.text for sample in draw_batch(dice(1), 300)]
    config = TextConfig(
        attributes=tuple(ATTRIBUTES.items()),
        vocab_size=700,
        num_layers=3,
        hidden=64,
        num_heads=2,
        max_tokens=48,
    )
    made = TextEncoder(config, train_tokenizer(texts, vocab_size=config.vocab_size)).eval()
    for neighbours in made.neighbours:
        torch.nn.init.normal_(neighbours.weight, std=0.3)
    return made


def dice(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_tokens_spell_the_prompt(encoder: TextEncoder) -> None:
    for prompt in (*PROMPTS, "ÀÉ ﬁne café", "雨の東京, 안녕", "🎉🐎", "tab\tand\nnewline", "x" * 500):
        ids = encoder.tokenizer.encode(prompt).ids
        assert PAD not in ids
        spelled = encoder.tokenizer.decode(ids).strip()
        assert spelled == encoder.tokenizer.normalizer.normalize_str(prompt).strip()


def test_case_and_compatibility_forms_do_not_matter(encoder: TextEncoder) -> None:
    assert torch.equal(encoder.encode(["A GREEN Jacket"]), encoder.encode(["a green jacket"]))
    assert torch.equal(encoder.encode(["ｃａｆé"]), encoder.encode(["café"]))


def test_batch_equals_single(encoder: TextEncoder) -> None:
    together = encoder.encode(PROMPTS)
    assert together.shape == (len(PROMPTS), 16, 64)
    for prompt, rows in zip(PROMPTS, together, strict=True):
        torch.testing.assert_close(encoder.encode([prompt])[0], rows, rtol=1e-4, atol=1e-5)


def test_features_have_unit_scale(encoder: TextEncoder) -> None:
    rows = encoder.encode(PROMPTS)
    torch.testing.assert_close(rows.std(-1, correction=0), torch.ones(rows.shape[:2]), rtol=0.02, atol=0.02)


def test_word_order_matters(encoder: TextEncoder) -> None:
    one, other = encoder.encode(["grey hair and a green jacket", "green hair and a grey jacket"])
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("prompt", ["", "   ", "\n"])
def test_nothing_said_is_one_thing(encoder: TextEncoder, prompt: str) -> None:
    assert torch.equal(encoder.encode([prompt]), encoder.encode([""]))
    assert encoder.tokenize([prompt]).shape == (1, 0)


def test_long_prompts_are_cut(encoder: TextEncoder) -> None:
    long = "a green jacket, " * 1000
    assert encoder.tokenize([long]).shape == (1, encoder.config.max_tokens)
    assert torch.isfinite(encoder.encode([long, "🎉" * 3000])).all()


def test_reads_every_attribute(encoder: TextEncoder) -> None:
    for reading in encoder.read(PROMPTS):
        assert reading.keys() == ATTRIBUTES.keys()
        for name, one in reading.items():
            assert one.value is None or one.value in ATTRIBUTES[name]
            assert 0 < one.probability <= 1


@pytest.mark.parametrize(("storage", "tolerance"), [("as_is", 0.0), ("bf16", 0.1), ("int8", 0.2)])
def test_one_file_is_enough(encoder: TextEncoder, tmp_path: Path, storage: str, tolerance: float) -> None:
    encoder.save(tmp_path / "text.safetensors", storage=storage)
    loaded = TextEncoder.load(tmp_path / "text.safetensors")
    assert loaded.config == encoder.config
    difference = (loaded.encode(PROMPTS) - encoder.encode(PROMPTS)).abs()
    assert difference.mean() <= tolerance
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_bad_files_are_named(encoder: TextEncoder, tmp_path: Path) -> None:
    path = tmp_path / "text.safetensors"
    with pytest.raises(WeightsMissing, match=r"text\.safetensors"):
        TextEncoder.load(path)
    encoder.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMissing, match=r"text\.safetensors"):
        TextEncoder.load(path)


def test_targets_follow_the_caption() -> None:
    scene = sample_scene(3)
    told = caption(scene, dice(3), keep=frozenset({"gender", "top_colour"}))
    targets = dict(zip(ATTRIBUTES, Sample(scene, told).targets(), strict=True))
    assert (
        ATTRIBUTES["top_colour"][targets["top_colour"]] == scene.person.top_colour or told.subject != "person"
    )
    assert targets["hair_colour"] == len(ATTRIBUTES["hair_colour"])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a few steps: a small encoder, small batches, saved and reported all the time."""
    config = TextConfig(attributes=tuple(ATTRIBUTES.items()), vocab_size=400, hidden=64, num_heads=2)

    def new_encoder(*, seed: int) -> TextEncoder:
        texts = [sample.caption.text for sample in draw_batch(dice(seed), 50)]
        return TextEncoder(config, train_tokenizer(texts, vocab_size=config.vocab_size))

    monkeypatch.setattr(training, "new_encoder", new_encoder)
    monkeypatch.setattr(training, "BATCH_SIZE", 12)
    monkeypatch.setattr(training, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(training, "SAVE_EVERY_S", 0.2)


@pytest.mark.usefixtures("small")
def test_training_learns_saves_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run" / "text.safetensors"
    reports: list[Report] = []
    training.run(out=out, minutes=5 / 60, resume=False, on_report=reports.append)
    assert min(report.loss for report in reports[1:]) < reports[0].loss
    assert TextEncoder.load(out).encode(["hello"]).shape == (1, 16, 64)
    again: list[Report] = []
    training.run(out=out, minutes=9 / 60, resume=True, on_report=again.append)
    assert again[0].step > reports[-1].step - 1
    assert sorted(p.name for p in out.parent.iterdir()) == ["text.safetensors", "text.state.safetensors"]


@pytest.mark.usefixtures("small")
def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    def steps(trainer: Trainer, count: int) -> None:
        for _ in range(count):
            trainer._step(trainer.encoder.tokenizer)

    whole = Trainer(tmp_path / "a.safetensors", minutes=1.0, seed=1)
    steps(whole, 4)
    first = Trainer(tmp_path / "b.safetensors", minutes=1.0, seed=1)
    steps(first, 2)
    first.save()
    second = Trainer(tmp_path / "b.safetensors", minutes=1.0, seed=1, resume=True)
    steps(second, 2)
    for one, other in zip(whole.encoder.parameters(), second.encoder.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.usefixtures("small")
def test_a_state_without_its_weights_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "text.safetensors"
    Trainer(out, minutes=1.0, seed=1).save()
    out.unlink()
    monkeypatch.setattr(training, "new_encoder", lambda **_: pytest.fail("a tokenizer was trained"))
    with pytest.raises(WeightsMissing, match=r"no weights at .*text\.safetensors"):
        Trainer(out, minutes=1.0, seed=1, resume=True)
