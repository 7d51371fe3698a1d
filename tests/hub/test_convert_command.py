"""`weights convert` as a user runs it: what it was made of lies beside it, and `verify` and the engine hold it against the part."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from happyhorse.cli.weights import weights
from happyhorse.engines import magihuman_arrange
from happyhorse.engines.magihuman_arrange import NetworkLoader
from happyhorse.engines.memory import arrangement
from happyhorse.errors import WeightsMissing
from happyhorse.hub.origin import ORIGIN_FILE
from happyhorse.hub.parts import find_parts
from happyhorse.hub.store import File, Manifest, WeightStore, check_hash
from happyhorse.model import release
from happyhorse.model.config import ModelConfig
from happyhorse.model.random_weights import open_random
from happyhorse.model.release import networks_of

CPU = torch.device("cpu")
CONFIG = ModelConfig(
    num_layers=2, hidden=32, head_dim=16, num_heads=2, num_kv_heads=1, video_channels=16, audio_channels=6, text_channels=10,
    modality_layers=(0,), gelu7_layers=(0,),
)  # fmt: skip
NETWORKS = networks_of(CONFIG)
(PART,) = find_parts("magihuman", ["distill"])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightStore:
    """Where a shrunken `distill` was downloaded to."""
    monkeypatch.setattr(release, "NETWORKS", NETWORKS)
    monkeypatch.setattr(magihuman_arrange, "NETWORKS", NETWORKS)
    monkeypatch.setenv("HAPPYHORSE_WEIGHTS_DIR", str(tmp_path))
    store = WeightStore(tmp_path / "magihuman")
    store.folder(PART).mkdir(parents=True)
    publish(store, dict(open_random(CONFIG, device=CPU, fp8=False)[1]))
    return store


def publish(store: WeightStore, tensors: dict[str, torch.Tensor]) -> None:
    path = store.folder(PART) / "model.safetensors"
    save_file(tensors, path)
    file = check_hash(path, File(path.stat().st_size))
    store.write_manifest(PART, Manifest("someone/release", "0123456789abcdef", {path.name: file}))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(weights, arguments, catch_exceptions=False)
    return done.stdout


def test_a_conversion_is_held_against_the_part_it_was_made_of(
    store: WeightStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "happyhorse.magihuman")
    said = "distill-fp8 was made of someone/release at 01234567 (1 file, together "
    assert said in run("convert", "magihuman", "distill", "--fp8")
    assert (store.root / "distill-fp8" / ORIGIN_FILE).is_file()
    assert said in run("verify", "magihuman", "distill", "--values")
    load = NetworkLoader(store.root, CPU, arrangement("fp8"))
    load("distill")
    assert said in caplog.text
    tensors = load_file(store.folder(PART) / "model.safetensors")
    tensors["final_norm_video.weight"] += 1
    publish(store, tensors)  # published anew, of the same size
    for use in (lambda: run("verify", "magihuman", "distill"), lambda: load("distill")):
        with pytest.raises(WeightsMissing, match=r"distill-fp8 was not made of the model\.safetensors of "):
            use()


def test_a_damaged_download_is_not_converted(store: WeightStore) -> None:
    path = store.folder(PART) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WeightsMissing, match=r"model\.safetensors has the hash"):
        run("convert", "magihuman", "distill")
    assert not (store.root / "distill-bf16").exists()
