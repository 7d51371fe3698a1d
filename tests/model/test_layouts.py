"""Published networks: a shrunken one written in every layout loads back equal; every kind of damage is named at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from strategies import random_sequence, random_transformer

from happyhorse.engines.footprint import network_bytes
from happyhorse.errors import WeightsMissing
from happyhorse.model import convert
from happyhorse.model.config import ModelConfig
from happyhorse.model.convert import convert_network
from happyhorse.model.fp8 import Fp8Linear, quantize, quantize_blocks
from happyhorse.model.layouts import load_network, read_shards
from happyhorse.model.transformer import Transformer, cast_block_linears

CONFIG = ModelConfig(
    num_layers=3,
    hidden=24,
    head_dim=16,
    num_heads=2,
    num_kv_heads=1,
    video_channels=16,
    audio_channels=6,
    text_channels=10,
    modality_layers=(0, 2),
    gelu7_layers=(0,),
)
ARCH = {
    "_class_name": "MagiHumanDiT",
    "num_layers": 3,
    "hidden_size": 24,
    "head_dim": 16,
    "num_heads_q": 2,
    "num_query_groups": 1,
    "video_in_channels": 16,
    "audio_in_channels": 6,
    "text_in_channels": 10,
    "mm_layers": [0, 2],
    "gelu7_layers": [0],
    "local_attn_layers": [],
    "post_norm_layers": [],
    "enable_attn_gating": True,
    "activation_type": "swiglu7",
}
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def model() -> Transformer:
    """In the published dtypes."""
    model = random_transformer(CONFIG)
    cast_block_linears(model, torch.bfloat16)
    return model


def _shards(tensors: Tensors, folder: Path, pattern: str, index: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(tensors)
    weight_map = {}
    for number in range(3):
        part = {name: tensors[name].contiguous() for name in names[number::3]}
        file = pattern.format(number + 1)
        save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def _original(tensors: Tensors, folder: Path) -> Path:
    _shards(tensors, folder, "model-{:05}-of-00003.safetensors", "model.safetensors.index.json")
    return folder


def _diffusers(tensors: Tensors, folder: Path, inner: str = "transformer") -> Path:
    name = "diffusion_pytorch_model"
    _shards(tensors, folder / inner, name + "-{:05}-of-00003.safetensors", f"{name}.safetensors.index.json")
    (folder / inner / "config.json").write_text(json.dumps(ARCH))
    return folder


def _one_file(tensors: Tensors, folder: Path) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return folder


def _as_float32(tensors: Tensors) -> Tensors:
    return {name: tensor.float() for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("write", "layout"), [(_original, "original"), (_diffusers, "diffusers"), (_one_file, "original")]
)
@pytest.mark.parametrize("stored_as_float32", [False, True])
def test_every_layout_loads_back_equal(
    tmp_path: Path,
    model: Transformer,
    write: Callable[[Tensors, Path], Path],
    layout: str,
    stored_as_float32: bool,
) -> None:
    tensors = dict(model.state_dict())
    path = write(_as_float32(tensors) if stored_as_float32 else tensors, tmp_path / "net")
    assert read_shards(path).layout == layout
    loaded = load_network(path, CONFIG).state_dict()
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name


def test_super_resolution_is_found_beside_the_base(tmp_path: Path, model: Transformer) -> None:
    _diffusers(dict(model.state_dict()), tmp_path)
    other = random_transformer(CONFIG, seed=1)
    _diffusers(dict(other.state_dict()), tmp_path, "sr_transformer")
    stage = replace(CONFIG, coords_style="v1", windowed_layers=(1,), frame_receptive_field=1)
    loaded = load_network(tmp_path, stage)
    assert loaded.config == stage
    assert torch.equal(loaded.final_linear_video.weight, other.final_linear_video.weight)


@pytest.mark.parametrize(
    ("scale_name", "shape"),
    [
        ("weight.__fp8_scale", ()),
        ("weight_scale", (1,)),
        ("weight_scale", (-1, 1)),
        ("scale_weight", (1, 1)),
        ("weight_scale_inv", (-1,)),
    ],
)
def test_the_fp8_repackaging_computes_what_its_values_say(
    tmp_path: Path, model: Transformer, scale_name: str, shape: tuple[int, ...]
) -> None:
    stored: Tensors = {}
    restored = dict(model.state_dict())
    for name, tensor in model.state_dict().items():
        if tensor.dtype == torch.bfloat16:
            scale = tensor.float().abs().amax() / 448
            stored[name] = (tensor.float() / scale).to(torch.float8_e4m3fn)
            each = scale.expand(len(tensor)).clone() if -1 in shape else scale
            stored[name.removesuffix("weight") + scale_name] = each.reshape(shape)
            restored[name] = (stored[name].float() * scale).to(torch.float32)
        else:
            stored[name] = tensor.bfloat16()
            restored[name] = stored[name].float()
    path = _original(stored, tmp_path / "net")
    assert read_shards(path).layout == "fp8"
    loaded = load_network(path, CONFIG)
    assert sum(isinstance(m, Fp8Linear) for m in loaded.modules()) == 4 * CONFIG.num_layers
    exact = random_transformer(CONFIG)
    exact.load_state_dict(restored)
    sequence = random_sequence(CONFIG)
    with torch.inference_mode():
        ours, expected = loaded(sequence), exact(sequence)
    assert float((ours.video - expected.video).abs().mean()) < 0.02 * float(expected.video.std())
    assert float((ours.audio - expected.audio).abs().mean()) < 0.02 * float(expected.audio.std())


def _in_fp8(model: Transformer, *, rows: bool, layers: int = CONFIG.num_layers) -> Tensors:
    """The model as stored with the matrices of its first layers in FP8."""
    stored: Tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.dtype != torch.bfloat16 or int(name.split(".")[2]) >= layers:
            stored[name] = tensor
        elif rows:
            stored[name], stored[f"{name}_scale"] = quantize(tensor)
        else:
            stored[f"{name}.__fp8_scale"] = tensor.float().abs().amax() / 448
            stored[name] = (tensor / stored[f"{name}.__fp8_scale"]).to(torch.float8_e4m3fn)
    return stored


@pytest.mark.parametrize("fp8", [False, True])
def test_headers_say_what_loading_takes(tmp_path: Path, model: Transformer, fp8: bool) -> None:
    plain = dict(model.state_dict())
    forms = {
        "bf16": plain,
        "float32": _as_float32(plain),
        "a scale a row": _in_fp8(model, rows=True),
        "a scale a matrix": _in_fp8(model, rows=False),
        "one layer in FP8": _in_fp8(model, rows=True, layers=1),
    }
    planned = {}
    for name, tensors in forms.items():
        path = _original(tensors, tmp_path / name)
        loaded = load_network(path, CONFIG, fp8=fp8).state_dict().values()
        planned[name] = read_shards(path).loaded_bytes(fp8=fp8)
        assert planned[name] == sum(tensor.nbytes for tensor in loaded), name
    assert planned["bf16"] == planned["float32"] == network_bytes(CONFIG, fp8=fp8)
    assert planned["a scale a row"] == network_bytes(CONFIG, fp8=True)
    assert (planned["a scale a row"] < planned["one layer in FP8"] < planned["bf16"]) is not fp8


def test_fp8_stays_close_to_bf16_and_takes_half(model: Transformer) -> None:
    exact = random_transformer(CONFIG)
    before = sum(p.nbytes for p in model.block.parameters())
    quantize_blocks(model)
    after = sum(p.nbytes for p in model.block.state_dict().values())
    assert after < 0.62 * before
    sequence = random_sequence(CONFIG)
    with torch.inference_mode():
        error = (model(sequence).video - exact(sequence).video).abs().mean()
        assert float(error) < 0.1 * float(exact(sequence).video.std())


@pytest.mark.parametrize("storage", ["published", "fp8"])
def test_conversion_gives_what_loading_gives(
    tmp_path: Path, model: Transformer, storage: convert.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "MAX_SHARD_BYTES", 20_000)
    source = _original(_as_float32(dict(model.state_dict())), tmp_path / "net")
    convert_network(source, tmp_path / "small", CONFIG, storage=storage)
    assert len(list((tmp_path / "small").glob("model-*.safetensors"))) > 1
    converted = load_network(tmp_path / "small", CONFIG).state_dict()
    if storage == "fp8":
        quantize_blocks(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(converted[name].float(), tensor.float()), name
    with pytest.raises(WeightsMissing, match="exists already"):
        convert_network(source, tmp_path / "small", CONFIG, storage=storage)


@pytest.mark.parametrize("rows", [False, True])
def test_what_is_stored_as_fp8_is_widened_or_stays(tmp_path: Path, model: Transformer, rows: bool) -> None:
    source = _original(_in_fp8(model, rows=rows), tmp_path / "net")
    stored = load_network(source, CONFIG).state_dict()
    for storage in ("published", "fp8"):
        convert_network(source, tmp_path / storage, CONFIG, storage=storage)
    wide = load_network(tmp_path / "published", CONFIG).state_dict()
    same = load_network(tmp_path / "fp8", CONFIG).state_dict()
    assert wide.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert wide[name].dtype == tensor.dtype
        exact = stored[name].float()
        if tensor.dtype == torch.bfloat16:
            exact *= stored[name.removesuffix("weight") + "scale"][:, None]
        assert torch.allclose(wide[name].float(), exact, rtol=2**-8, atol=0), name
    assert same.keys() == stored.keys()
    assert all(torch.equal(same[name].float(), tensor.float()) for name, tensor in stored.items())


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, model: Transformer) -> None:
    tensors = dict(model.state_dict())
    tensors["final_norm_video.weight"] = torch.full((24,), torch.nan)
    source = _one_file(tensors, tmp_path / "net")
    with pytest.raises(WeightsMissing, match="not finite"):
        convert_network(source, tmp_path / "small", CONFIG, storage="fp8")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def _rename(folder: Path) -> None:
    (folder / "model-00002-of-00003.safetensors").rename(folder / "model-2.safetensors")


def _cut(folder: Path) -> None:
    path = folder / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def _change(change: Callable[[Tensors], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "model-00002-of-00003.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return damage


def _index(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors.index.json").write_text(text)


IN_SECOND = "adapter.audio_embedder.weight"  # of the sorted names, the second shard has number 1, 4, 7, ...


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "model-00003-of-00003.safetensors").unlink(), "lacks model-00003-of-00003.safetensors"),
        (_rename, r"lacks model-00002.*; model-2\.safetensors is in no index: was it renamed"),
        (_cut, r"model-00002-of-00003\.safetensors is not a complete safetensors file"),
        (_change(lambda t: t.update({IN_SECOND: torch.zeros(5, 5)})), r"audio_embedder\.weight has the shape \(5, 5\)"),
        (_change(lambda t: t[IN_SECOND].view(-1)[0].fill_(torch.nan)), r"audio_embedder\.weight contains values that are"),
        (_change(lambda t: t[IN_SECOND].view(-1)[0].fill_(torch.inf)), r"audio_embedder\.weight contains values that are"),
        (_change(lambda t: t.update({IN_SECOND: t[IN_SECOND].int()})), "stored as I32"),
        (_change(lambda t: t.pop(IN_SECOND)), r"lacks adapter\.audio_embedder\.weight, which the index places there"),
        (_change(lambda t: t.update(extra=torch.zeros(1))), "holds 1 tensors this model does not have, first extra"),
        (_index("{}"), "not a shard index"),
        (_index("[]"), "not a shard index"),
        (_index("null"), "not a shard index"),
        (_index('{"weight_map": {"a": "../b.safetensors"}}'), "outside its folder"),
    ],
)  # fmt: skip
def test_damage_is_named(
    tmp_path: Path, model: Transformer, damage: Callable[[Path], object], said: str
) -> None:
    folder = _original(dict(model.state_dict()), tmp_path / "net")
    assert IN_SECOND in load_file(folder / "model-00002-of-00003.safetensors")
    damage(folder)
    with pytest.raises(WeightsMissing, match=said):
        load_network(folder, CONFIG)


def test_headers_are_judged_before_any_value_is_read(
    tmp_path: Path, model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _original(dict(model.state_dict()), tmp_path / "net")
    _change(lambda t: t.update({IN_SECOND: torch.zeros(5, 5)}))(folder)
    monkeypatch.setattr(
        "happyhorse.model.layouts.read_tensors", lambda *_, **__: pytest.fail("values were read")
    )
    with pytest.raises(WeightsMissing, match="shape"):
        load_network(folder, CONFIG)


def test_fp8_without_its_scale_or_with_nan_is_named(tmp_path: Path, model: Transformer) -> None:
    tensors = dict(model.state_dict())
    name = "block.layers.1.mlp.down_proj.weight"
    tensors[name], scale = quantize(tensors[name])
    with pytest.raises(
        WeightsMissing, match=r"its scale is missing; known names are \*\.weight\.__fp8_scale, "
    ):
        load_network(_one_file(tensors, tmp_path / "a"), CONFIG)
    tensors[name + "_scale"] = scale[:5]
    with pytest.raises(WeightsMissing, match=r"has the shape \(5,\); it must be one number or 24$"):
        load_network(_one_file(tensors, tmp_path / "c"), CONFIG)
    layer = name.removesuffix(".weight")
    for number, shape in enumerate([(3, 8), (1, 24), (24, 24)]):  # blocks and columns, however many they are
        tensors[name + "_scale"] = torch.ones(shape)
        with pytest.raises(WeightsMissing, match="it must be one number or 24"):
            load_network(_one_file(tensors, tmp_path / f"shape {number}"), CONFIG)
    del tensors[name + "_scale"]
    for number, names in enumerate([["scale"], ["weight.scale"], ["weight_scale", "scale_weight"], ["weight_scale", "scale"]]):  # fmt: skip
        beside = {f"{layer}.{each}": scale.clone() for each in names}
        with pytest.raises(
            WeightsMissing,
            match=rf"with {', '.join(sorted(beside))}, of which it is not known how the matrix",
        ):
            load_network(_one_file({**tensors, **beside}, tmp_path / f"name {number}"), CONFIG)
    tensors[name + "_scale"] = scale
    tensors[name].view(torch.uint8)[0, 0] = 0xFF
    with pytest.raises(WeightsMissing, match="not finite"):
        load_network(_one_file(tensors, tmp_path / "b"), CONFIG)


def test_a_folder_that_says_another_size_or_nothing_is_named(tmp_path: Path, model: Transformer) -> None:
    path = _diffusers(dict(model.state_dict()), tmp_path / "net")
    with pytest.raises(WeightsMissing, match=r"config\.json says num_layers 3; this model needs 2"):
        load_network(path, replace(CONFIG, num_layers=2, modality_layers=(0,)))
    (path / "transformer" / "config.json").write_text('{"hidden_size": "wide"}')
    with pytest.raises(WeightsMissing, match="does not describe this network"):
        load_network(path, CONFIG)
    with pytest.raises(WeightsMissing, match="no weights at"):
        load_network(tmp_path / "nowhere", CONFIG)
    (tmp_path / "packed").mkdir()
    with pytest.raises(WeightsMissing, match="0 safetensors files and 0 indexes"):
        load_network(tmp_path / "packed", CONFIG)
    (tmp_path / "packed" / "model.safetensors.zst").touch()
    with pytest.raises(WeightsMissing, match="zstd -d"):
        load_network(tmp_path / "packed", CONFIG)


def test_shards_that_say_that_they_are_all_need_no_index(tmp_path: Path, model: Transformer) -> None:
    folder = _original(dict(model.state_dict()), tmp_path / "net")
    (folder / "model.safetensors.index.json").unlink()
    loaded = load_network(folder, CONFIG).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    (folder / "model-00002-of-00003.safetensors").rename(folder / "model-00004-of-00003.safetensors")
    with pytest.raises(WeightsMissing, match="3 safetensors files and 0 indexes"):
        load_network(folder, CONFIG)
    (folder / "model-00004-of-00003.safetensors").unlink()
    with pytest.raises(WeightsMissing, match="2 safetensors files and 0 indexes"):
        load_network(folder, CONFIG)


def test_what_repackagings_add_or_leave_empty_is_no_damage(tmp_path: Path, model: Transformer) -> None:
    folder = _one_file(dict(model.state_dict()) | {"scaled_fp8": torch.zeros(0)}, tmp_path / "net")
    (folder / "config.json").write_text(json.dumps(ARCH | {"post_norm_layers": None}))
    assert load_network(folder, CONFIG).state_dict().keys() == model.state_dict().keys()


def test_rotary_frequencies_may_be_left_out_but_not_be_others(tmp_path: Path, model: Transformer) -> None:
    tensors = dict(model.state_dict())
    bands = tensors.pop("adapter.rope.bands")
    loaded = load_network(_one_file(tensors, tmp_path / "without"), CONFIG)
    assert torch.equal(loaded.adapter.rope.bands, bands)
    rounded = _one_file(tensors | {"adapter.rope.bands": bands.bfloat16()}, tmp_path / "rounded")
    assert load_network(rounded, CONFIG).state_dict().keys() == model.state_dict().keys()
    doubled = _one_file(tensors | {"adapter.rope.bands": 2 * bands}, tmp_path / "doubled")
    with pytest.raises(WeightsMissing, match=r"doubled: adapter\.rope\.bands are not the rotary frequencies"):
        load_network(doubled, CONFIG)
