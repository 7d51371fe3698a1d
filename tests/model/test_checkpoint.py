"""Weights on disk: what is saved comes back, what is damaged is named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from strategies import TINY, random_sequence, random_transformer

from happyhorse.errors import EngineError, WeightsMissing
from happyhorse.model import checkpoint as module
from happyhorse.model.checkpoint import (
    Checkpoint,
    describe_tensors,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
    weights_hash,
)
from happyhorse.model.sampler import Guidance, SamplerSettings

SAMPLER = SamplerSettings("unipc", 8, 1.2, Guidance(2.0, video_late=1.5))


def _save(path: Path, storage: module.Storage = "as_is") -> Checkpoint:
    checkpoint = Checkpoint(random_transformer(TINY), SAMPLER, {"codec": "abc"})
    save_checkpoint(checkpoint, path, storage=storage)
    return checkpoint


def test_a_path_is_all_that_loading_needs(tmp_path: Path) -> None:
    saved = _save(tmp_path / "w.safetensors")
    loaded = load_checkpoint(tmp_path / "w.safetensors")
    assert (loaded.model.config, loaded.sampler, loaded.notes) == (TINY, SAMPLER, {"codec": "abc"})
    assert all(torch.equal(t, saved.model.state_dict()[n]) for n, t in loaded.model.state_dict().items())
    assert list(tmp_path.iterdir()) == [tmp_path / "w.safetensors"]


@pytest.mark.parametrize(("storage", "error"), [("bf16", 0.05), ("int8", 0.08)])
def test_smaller_storage_is_smaller_and_computes_almost_the_same(
    tmp_path: Path, storage: module.Storage, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_INT8_VALUES", 1)
    _save(tmp_path / "full.safetensors")
    saved = _save(tmp_path / "small.safetensors", storage)
    assert (tmp_path / "small.safetensors").stat().st_size < 0.75 * (
        tmp_path / "full.safetensors"
    ).stat().st_size
    loaded = load_checkpoint(tmp_path / "small.safetensors")
    sequence = random_sequence(TINY)
    with torch.inference_mode():
        ours, full = loaded.model(sequence), saved.model(sequence)
    assert (ours.video - full.video).abs().mean() < error * full.video.std()


def test_rows_of_zeros_survive_int8() -> None:
    matrix = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    torch.testing.assert_close(
        module.dequantize_rows(*module.quantize_rows(matrix)), matrix, atol=0.01, rtol=0
    )


def test_a_crash_while_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    _save(path)
    before = weights_hash(path)

    def fail(_tensors: object, where: Path, **_: object) -> None:
        where.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        _save(path)
    assert weights_hash(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_damage_is_named_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsMissing, match="no weights at"):
        load_checkpoint(path)
    with pytest.raises(WeightsMissing, match="no weights at"):
        weights_hash(path)
    _save(path)
    whole = path.read_bytes()
    for cut in (0, 4, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsMissing, match="not a complete"):
            load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsMissing, match="format"):
        load_checkpoint(path)


def test_a_file_larger_than_the_memory_is_described_and_its_values_refused(tmp_path: Path) -> None:
    path, num_bytes = tmp_path / "large.safetensors", 2**43
    described = {"a": {"dtype": "BF16", "shape": [num_bytes // 2], "data_offsets": [0, num_bytes]}}
    header = json.dumps(described).encode()
    try:
        with path.open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + num_bytes)
    except OSError:
        pytest.skip("this file system has no files of 8 TB, not even of holes")
    assert describe_tensors(path)["a"].shape == (num_bytes // 2,)
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1":
        pytest.skip("this system maps more than it has")
    with pytest.raises(EngineError, match=r"large.safetensors cannot be mapped into memory: .*vm.overcommit"):
        load_tensors(path)
