"""`weights convert` as a user runs it: what it was made of lies beside it, and `verify` and the engine hold it against the part."""

import json
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
from happyhorse.model.turbo_vae import FORMAT, TurboVae, TurboVaeConfig

CPU = torch.device("cpu")
TURBO = {
    "decoder_block_out_channels": [4, 6],
    "decoder_layers_per_block": [1, 1, 1],
    "decoder_spatio_temporal_scaling": [False, True],
    "decoder_spatio_only": [False, False],
    "decoder_is_dw_conv": [False, False],
    "first_chunk_size": 7,
    "step_size": 7,
    "latent_channels": 48,
}
CONFIG = ModelConfig(
    num_layers=2, hidden=32, head_dim=16, num_heads=2, num_kv_heads=1, video_channels=16, audio_channels=6, text_channels=10,
    modality_layers=(0,), gelu7_layers=(0,),
)  # fmt: skip
NETWORKS = networks_of(CONFIG)
(PART,) = find_parts("magihuman", ["distill"])
(ENCODER,) = find_parts("magihuman", ["text_encoder"])


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


def test_files_that_have_no_hashes_are_read(tmp_path: Path, store: WeightStore) -> None:
    path = tmp_path / "mine" / "model.safetensors"
    path.parent.mkdir()
    save_file({"a": torch.zeros(4), "b": torch.tensor([1.0, torch.nan])}, path)
    store.link(ENCODER, path.parent)
    assert "linked, 2 tensors, the files are whole" in run("verify", "magihuman", "text_encoder")
    with pytest.raises(WeightsMissing, match=r"model\.safetensors: b contains values that are not finite"):
        run("verify", "magihuman", "text_encoder", "--values")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsMissing, match="is not a complete safetensors file"):
        run("verify", "magihuman", "text_encoder")
    path.rename(path.with_name("model.bin"))
    with pytest.raises(WeightsMissing, match="0 safetensors files and 0 indexes"):
        run("verify", "magihuman", "text_encoder")


def test_a_picture_decoder_that_is_not_made_yet_is_not_called_right(
    tmp_path: Path, store: WeightStore
) -> None:
    (turbo,) = find_parts("magihuman", ["turbo_vae"])
    store.link(turbo, tmp_path)
    with pytest.raises(WeightsMissing, match=r"turbo_vae\.safetensors is not made yet"):
        run("verify", "magihuman", "turbo_vae")
    vae = TurboVae(TurboVaeConfig.from_published(TURBO))
    metadata = {"format": FORMAT, "config": json.dumps(TURBO)}
    save_file(vae.state_dict(), store.root / "turbo_vae.safetensors", metadata=metadata)
    assert "turbo_vae: linked; turbo_vae.safetensors can be read" in run("verify", "magihuman", "turbo_vae")
