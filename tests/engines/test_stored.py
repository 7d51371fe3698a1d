"""What a clip will load is judged before its first pass: whatever of it is damaged is named, and nothing is read in vain."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_magihuman import DISTILLED
from tiny_release import expect_tiny_release, write_conversions, write_release
from tokenizers import Tokenizer
from tokenizers.models import BPE

from happyhorse.engines import magihuman_stored
from happyhorse.engines.magihuman_stored import judge_clip, judge_networks
from happyhorse.engines.plan import plan
from happyhorse.errors import WeightsMissing
from happyhorse.hub.origin import ORIGIN_FILE
from happyhorse.hub.store import File, Manifest, WeightStore
from happyhorse.media.read import probe
from happyhorse.model.checkpoint import read_metadata
from happyhorse.model.layouts import judged_shards
from happyhorse.request import parse_request


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    pytest.importorskip("diffusers")
    folder = tmp_path_factory.mktemp("release")
    write_release(folder)
    write_conversions(folder)
    return folder


@pytest.fixture
def store(release, monkeypatch):
    expect_tiny_release(monkeypatch)
    return WeightStore(release / "magihuman")


@pytest.fixture
def clip(tmp_path):
    """The plan of a clip with a first frame and a second pass."""
    Image.new("RGB", (640, 360)).save(tmp_path / "in.png")
    path = str(tmp_path / "in.png")
    request = parse_request({"prompt": "rain", "seed": 1, "image": path, "resolution": "480P"})
    return plan(request, DISTILLED, media={path: probe(tmp_path / "in.png")})


@pytest.fixture
def damage(store):
    """Change the first file of a part, whose place is returned; it is mended afterwards."""
    whole = {}

    def change(name, how):
        folder = store.root if name == "turbo_vae" else store.root / name
        path = min(folder.glob("turbo_vae.safetensors" if name == "turbo_vae" else "*.safetensors"))
        whole[path] = path.read_bytes()
        how(path)
        return path

    yield change
    for path, data in whole.items():
        path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def reshape(path):
    _change(path, lambda _: torch.zeros(3, 5))


def spoil(path):
    _change(path, lambda tensor: tensor * torch.nan)


def _change(path, how):
    tensors, metadata = load_file(path), read_metadata(path)
    name = max(name for name, tensor in tensors.items() if tensor.ndim > 1)
    save_file({**tensors, name: how(tensors[name])}, path, metadata=metadata)


PARTS = ("distill", "540p_sr", "text_encoder", "wan_vae", "audio_vae", "turbo_vae")
NETWORKS = ("distill", "540p_sr")
FAULTS = (
    (Path.unlink, r" has 0 | lacks | is not made | has neither "),
    (cut, "is not a complete safetensors file"),
    (reshape, r"has the shape \(3, 5\)"),
)


def test_a_whole_release_is_judged_right(store, clip):
    assert judge_clip(store, clip, values=True).keys() == {"distill", "540p_sr"}


NO_WORDS = Tokenizer(BPE()).to_str()
ALONE = (
    "wan_vae",
    Path.unlink,
)  # nothing is left of that part, so it is not here at all: `check_present` asks for it


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=("missing", "cut", "another shape"))
def test_damage_of_any_part_is_named_before_a_pass(store, clip, damage, part, fault, said):
    path = damage(part, fault)
    if (part, fault) == ALONE:
        judge_clip(store, clip)
        return
    with pytest.raises(WeightsMissing, match=said) as caught:
        judge_clip(store, clip)
    assert "\n" not in caught.value.message
    assert any(name in caught.value.message for name in (path.name, path.parent.name))


@pytest.mark.parametrize("part", ["audio_vae", "turbo_vae"])
def test_values_of_what_is_needed_last_are_judged_too(store, clip, damage, part):
    damage(part, spoil)
    judge_clip(store, clip)
    with pytest.raises(WeightsMissing, match="contains values that are not finite"):
        judge_clip(store, clip, values=True)


@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=("missing", "cut", "another shape"))
def test_a_damaged_conversion_is_named_only_where_it_would_be_used(store, clip, damage, fault, said):
    counted = judge_clip(store, clip)
    damage("540p_sr-fp8", fault)
    assert judge_clip(store, clip) == counted
    judge_networks(store, NETWORKS, fp8=False)
    with pytest.raises(WeightsMissing, match=said):
        judge_networks(store, NETWORKS, fp8=True)


def test_a_conversion_of_another_download_is_named_only_where_it_would_be_used(store, clip):
    record = store.root / "540p_sr-fp8" / ORIGIN_FILE
    record.write_text(Manifest("someone/else", "", {"model.safetensors": File(1)}).to_json())
    judge_clip(store, clip)
    judge_networks(store, NETWORKS, fp8=False)
    with pytest.raises(WeightsMissing, match=r"540p_sr-fp8 was not made of the \S+ of "):
        judge_networks(store, NETWORKS, fp8=True)
    record.unlink()
    judge_networks(store, NETWORKS, fp8=True)


@pytest.mark.parametrize("part", ["text_encoder", "wan_vae", "audio_vae", "turbo_vae"])
def test_values_that_are_no_floats_are_named_before_a_pass(store, clip, damage, part):
    damage(part, lambda path: _change(path, lambda tensor: tensor.int()))
    with pytest.raises(WeightsMissing, match=r"is stored as (I32|int32); "):
        judge_clip(store, clip)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", None, "lacks tokenizer.json"),
        ("tokenizer.json", '{"version": "1.0"', "holds no tokenizer that can be read: "),
        ("tokenizer.json", NO_WORDS, "holds a tokenizer that reads 'A woman walks in the rain.' as 0 tokens"),
        ("config.json", None, "lacks tensors of the text encoder"),
        ("config.json", "{}", "text_encoder"),
    ],
)
def test_a_text_encoder_that_cannot_read_is_named_before_a_pass(store, clip, name, content, said):
    path = store.root / "text_encoder" / name
    whole = path.read_text()
    path.unlink()
    if content is not None:
        path.write_text(content)
    try:
        with pytest.raises(WeightsMissing, match=said) as caught:
            judge_clip(store, clip)
        assert "\n" not in caught.value.message
    finally:
        path.write_text(whole)


def test_a_clip_without_a_first_frame_needs_nothing_that_encodes_one(store, clip, damage):
    damage("wan_vae", cut)
    judge_clip(store, replace(clip, image=None))


def test_headers_are_read_again_only_when_a_file_has_changed(store, clip, monkeypatch):
    judge_clip(store, clip)
    read = []
    monkeypatch.setattr(
        magihuman_stored, "judged_shards", lambda *a: read.append(a[0].name) or judged_shards(*a)
    )
    judge_clip(store, clip)
    assert read == []
    os.utime(min((store.root / "540p_sr").glob("*.safetensors")))
    judge_clip(store, clip)
    assert read == ["540p_sr"]
