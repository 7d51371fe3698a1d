"""`weights convert` as a user runs it: what it was made of lies beside it, and `verify` and the engine hold it against the part."""

import json
import re
import shutil
from collections.abc import Callable
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
from happyhorse.model.oobleck import Oobleck, OobleckConfig
from happyhorse.model.random_weights import open_random
from happyhorse.model.release import networks_of
from happyhorse.model.turbo_vae import FORMAT, TurboVae, TurboVaeConfig
from happyhorse.model.wan_vae import WanVae, WanVaeConfig

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
SMALL_PICTURES = WanVaeConfig(4, 4, num_res_blocks=1)
SMALL_SOUND = OobleckConfig(width=2, multiples=(1, 1, 1, 1, 1))


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
    load = NetworkLoader(store, CPU, arrangement("fp8"))
    load("distill")
    assert said in caplog.text
    tensors = load_file(store.folder(PART) / "model.safetensors")
    tensors["final_norm_video.weight"] += 1
    publish(store, tensors)  # published anew, of the same size
    for use in (lambda: run("verify", "magihuman", "distill"), lambda: load("distill")):
        with pytest.raises(WeightsMissing, match=r"distill-fp8 was not made of the model\.safetensors of "):
            use()


def test_a_conversion_is_listed_and_verified_as_a_part_is(store: WeightStore) -> None:
    run("convert", "magihuman", "distill", "--fp8")
    folder = store.conversion(PART, "fp8")
    assert re.search(r"distill-fp8, a conversion: 0\.0 GB here", run("list", "magihuman"))
    assert "distill-fp8: fp8 layout, " in run("verify", "magihuman", "distill")
    with pytest.raises(WeightsMissing, match=r"distill-fp8 exists already; remove it to convert"):
        run("convert", "magihuman", "distill", "--fp8")
    (shard,) = folder.glob("*.safetensors")
    whole, tensors = shard.read_bytes(), load_file(shard)
    tensors["final_norm_video.weight"][0] = torch.nan
    save_file(tensors, shard)
    run("verify", "magihuman", "distill")
    with pytest.raises(WeightsMissing, match=r"final_norm_video\.weight contains values that are not finite"):
        run("verify", "magihuman", "distill", "--values")
    shard.write_bytes(whole[:-1])
    with pytest.raises(WeightsMissing, match=r"distill-fp8/model-\S+ is not a complete safetensors file"):
        run("verify", "magihuman", "distill")
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(WeightsMissing, match=r"distill-fp8 has 0 safetensors files"):
        run("verify", "magihuman", "distill")


def test_a_damaged_download_is_not_converted(store: WeightStore) -> None:
    path = store.folder(PART) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WeightsMissing, match=r"model\.safetensors has the hash"):
        run("convert", "magihuman", "distill")
    assert not (store.root / "distill-bf16").exists()


def _text_encoder(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    t5gemma = pytest.importorskip("transformers.models.t5gemma")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(folder)
    sizes = {"vocab_size": 4, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 4}
    half = t5gemma.T5GemmaModuleConfig(**sizes, num_attention_heads=2, num_key_value_heads=1)
    whole = t5gemma.T5GemmaConfig(encoder=half, decoder=half, vocab_size=4)
    t5gemma.T5GemmaForConditionalGeneration(whole).save_pretrained(folder)


def _wan_vae(folder: Path) -> None:
    pytest.importorskip("diffusers")
    save_file(WanVae(SMALL_PICTURES).net.state_dict(), folder / "model.safetensors")


def _audio_vae(folder: Path) -> None:
    pytest.importorskip("diffusers")
    save_file(Oobleck(SMALL_SOUND).net.state_dict(), folder / "model.safetensors")
    decoder = {"channels": 2, "c_mults": [1] * 5, "strides": [2, 4, 4, 8, 8], "latent_dim": 64}
    (folder / "model_config.json").write_text(json.dumps({"model": {"decoder": {"config": decoder}}}))


@pytest.mark.parametrize(
    ("name", "write"), [("text_encoder", _text_encoder), ("wan_vae", _wan_vae), ("audio_vae", _audio_vae)]
)
def test_linked_files_are_judged_by_their_headers(
    tmp_path: Path,
    store: WeightStore,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path], None],
) -> None:
    monkeypatch.setattr("happyhorse.model.wan_vae.WanVaeConfig", lambda: SMALL_PICTURES)
    mine, verify = tmp_path / "mine", ("verify", "magihuman", name)
    mine.mkdir()
    write(mine)
    (part,) = find_parts("magihuman", [name])
    store.link(part, mine)
    path = mine / "model.safetensors"
    whole = load_file(path)
    assert f"{name}: linked, {len(whole)} tensors, names and shapes are right" in run(*verify)
    assert "every value is finite" in run(*verify, "--values")

    def refused(said: str, *options: str, **changed: torch.Tensor | None) -> None:
        tensors = {
            key: changed.get("tensor", tensor) if key == first else tensor for key, tensor in whole.items()
        }
        save_file({key: t for key, t in tensors.items() if t is not None}, path, metadata={"format": "pt"})
        with pytest.raises(WeightsMissing, match=said) as caught:
            run(*verify, *options)
        assert "\n" not in caught.value.message

    first = min(key for key, tensor in whole.items() if tensor.ndim > 1 and "decoder" not in key)
    refused(r"lacks .*first \S+$", tensor=None)
    refused(r"has the shape \(3, 5\); this model needs \(", tensor=torch.zeros(3, 5))
    broken = torch.full_like(whole[first], torch.nan)
    refused(r"model\.safetensors: .* contains values that are not finite", "--values", tensor=broken)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsMissing, match="is not a complete safetensors file"):
        run(*verify)
    save_file(whole, path.with_name("other.safetensors"), metadata={"format": "pt"})
    path.unlink()
    if name == "text_encoder":
        with pytest.raises(
            WeightsMissing,
            match=r"text_encoder has neither model\.safetensors nor model\.safetensors\.index\.json$",
        ):
            run(*verify)
    else:
        assert "shapes are right" in run(*verify)
    path.with_name("other.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r"0 safetensors files|has neither"):
        run(*verify)


def test_a_part_in_eight_bits_is_widened_under_the_name_of_what_it_becomes(store: WeightStore) -> None:
    tensors = dict(open_random(CONFIG, device=CPU, fp8=True)[1])
    layers = {name.removesuffix(".scale") for name in tensors if name.endswith(".scale")}
    publish(store, {name.replace(".scale", ".weight_scale"): tensor for name, tensor in tensors.items()})
    run("convert", "magihuman", "distill")
    run("convert", "magihuman", "distill", "--fp8")
    for kind, dtype in (("bf16", torch.bfloat16), ("fp8", torch.float8_e4m3fn)):
        (shard,) = (store.root / f"distill-{kind}").glob("*.safetensors")
        written = load_file(shard)
        assert {written[f"{layer}.weight"].dtype for layer in layers} == {dtype}, kind
    assert "fp8 layout" in run("verify", "magihuman", "distill", "--values")


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


def test_files_that_are_not_those_of_a_part_are_not_linked(tmp_path: Path, store: WeightStore) -> None:
    (base,) = find_parts("magihuman", ["base"])
    before, wrong = tmp_path / "before", tmp_path / "wrong"
    for folder in (before, wrong):
        folder.mkdir()
        save_file({"a": torch.zeros(2)}, folder / "model.safetensors")
    store.link(base, before)
    with pytest.raises(WeightsMissing, match=r"wrong lacks \d+ of \d+ tensors, first "):
        run("pull", "magihuman", "base", "--from", str(wrong))
    assert store.folder(base).resolve() == before
    (wrong / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(WeightsMissing, match="is not a complete safetensors file"):
        run("pull", "magihuman", "base", "--from", str(wrong))
