"""The 15 B engine where the GPU is another device than the CPU: whole clips of weights on disk, the CPU's own values.

A tensor that is left on the wrong side stops the first clip on a real GPU, and cannot be seen where both are the CPU.
"""

import wave
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from pretended_gpu import CPU, GPU, PretendedGpu, place
from torch import nn

pytest.importorskip("diffusers")

from tiny_release import expect_tiny_release, link_conversions, write_conversions, write_release

from happyhorse.engines import magihuman_load, memory
from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.footprint import GB
from happyhorse.engines.magihuman import TEXT_ENCODER
from happyhorse.engines.magihuman_load import open_engine
from happyhorse.engines.plan import plan
from happyhorse.media.read import probe
from happyhorse.model import transformer
from happyhorse.model.parts import Parts
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.request import parse_request

SMALL, LARGE, DRAFT = {"resolution": "480P"}, {"resolution": "1080P"}, {"draft": True}
VOICED, GUIDED = {"draft": True, "voice": True}, {"resolution": "480P", "engine": "magihuman-base"}
FP8_PRODUCTS = "the weights of distill and what they multiply are rounded to eight bits"
STRIPS = 2
PUBLISHED = "published"
slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Weights by how their networks are stored."""
    found = {name: tmp_path_factory.mktemp("weights") for name in (PUBLISHED, "converted", "eight bits")}
    for folder in found.values():
        write_release(folder)
    write_conversions(found["converted"])
    link_conversions(found["eight bits"], found["converted"])
    return found


class Noted:
    """Notes where the tensors lie of each part that a stage uses, and in how many strips pictures are drawn."""

    def __init__(self, monkeypatch):
        self.places, self.strips = {}, set()
        use, draw = Parts.use, TurboVae.draw

        @contextmanager
        def use_noted(parts, name, kind):
            with use(parts, name, kind) as module:
                self.places[name] = {place(each) for each in (*module.parameters(), *module.buffers())}
                yield module

        def draw_noted(vae, latent, *, is_first, strips=1):
            self.strips.add(strips)
            return draw(vae, latent, is_first=is_first, strips=strips)

        monkeypatch.setattr(Parts, "use", use_noted)
        monkeypatch.setattr(TurboVae, "draw", draw_noted)


def make(device, weights_dir, free_gb, fields, folder, monkeypatch, **options):
    """A clip with a first frame: how it was arranged, its take, its file."""
    monkeypatch.setattr(magihuman_load, "find_gpu", lambda _: device)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_gb * GB, free_gb * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    folder.mkdir()
    media = {"image": folder / "in.png"}
    Image.fromarray(np.full((360, 640, 3), 128, np.uint8)).save(media["image"])
    if fields.get("voice"):
        media["voice"] = folder / "in.wav"
        write_tone(str(media["voice"]))
    request = parse_request(
        {
            "engine": "magihuman",
            "prompt": "woman, kitchen, rain",
            "seed": 1,
            "duration": 3,
            **fields,
            **{name: str(path) for name, path in media.items()},
        }
    )
    made = plan(request, CATALOG[request.engine], media={str(path): probe(path) for path in media.values()})
    made = replace(made, width=64, height=36, num_steps=2)
    engine = open_engine(request.engine, weights_dir, **options)
    take = engine.denoise(made, on_progress=lambda _: None)
    take = engine.refine(made, take, on_progress=lambda _: None)
    engine.render(made, take, folder / "a.mp4", on_progress=lambda _: None)
    return engine.release.arrange.found, take, (folder / "a.mp4").read_bytes()


def write_tone(path):
    samples = 8000 * np.sin(np.arange(48000 * 2) / 20)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.mark.parametrize(
    ("free_gb", "fields", "name", "stored", "options"),
    [
        pytest.param(139, VOICED, "resident", PUBLISHED, {}, id="resident, a voice"),
        slow(139, DRAFT, "resident", "eight bits", {}, id="resident, stored in eight bits"),
        slow(80, SMALL, "lean encoder", PUBLISHED, {}, id="lean encoder"),
        slow(48, LARGE, "fp8", PUBLISHED, {}, id="fp8"),
        slow(24, DRAFT, "fp8", PUBLISHED, {"fp8": True}, id="fp8, products too"),
        slow(32.5, GUIDED, "swapped", PUBLISHED, {}, id="swapped, guided"),
        slow(24, SMALL, "swapped fp8", PUBLISHED, {}, id="swapped fp8"),
        pytest.param(16, DRAFT, "streamed", PUBLISHED, {}, id="streamed"),
        slow(5, SMALL, "streamed fp8", PUBLISHED, {}, id="streamed fp8"),
        slow(
            5, DRAFT, "streamed fp8", "converted", {"fp8": True}, id="streamed fp8, converted, products too"
        ),
    ],
)
def test_a_clip_has_each_tensor_where_it_is_used(
    free_gb, fields, name, stored, options, releases, tmp_path, monkeypatch
):
    expect_tiny_release(monkeypatch)
    monkeypatch.setattr(memory, "least_strips", lambda _: STRIPS)
    monkeypatch.setattr(transformer, "SCORES_IN_CACHE", 0)  # as on a GPU
    made = (releases[stored], free_gb, fields)
    _, expected, file = make(CPU, *made, tmp_path / "cpu", monkeypatch, **options)
    noted = Noted(monkeypatch)
    with PretendedGpu(monkeypatch) as gpu:
        found, take, gpu_file = make(GPU, *made, tmp_path / "gpu", monkeypatch, **options)
    assert found.arrangement.name == name
    encoder_place = {TEXT_ENCODER: {CPU if found.arrangement.encoder_on_cpu else GPU}}
    assert noted.places == {each: {GPU} for each in noted.places} | encoder_place
    assert noted.strips == {STRIPS}
    assert gpu.calls > 1000
    assert expected.latents.keys() == take.latents.keys()
    for each, latent in expected.latents.items():
        assert np.array_equal(latent, take.latents[each]), each
    assert file == gpu_file
    assert expected.notes == take.notes
    assert (FP8_PRODUCTS in take.notes.get("weights", "")) is bool(options)


def test_what_is_pretended_refuses_what_a_gpu_would(monkeypatch):
    with PretendedGpu(monkeypatch):
        layer, rows = nn.Linear(2, 2), torch.ones(1, 2)
        assert place(layer.to(GPU)(rows.to(GPU))) == GPU
        assert rows.device == CPU
        assert place(rows.to(GPU)[torch.tensor([0])] * torch.tensor(2.0)) == GPU
        for mixed in (lambda: layer(rows), lambda: torch.cat([rows, rows.to(GPU)]), rows.to(GPU).numpy):
            with pytest.raises(RuntimeError, match=r"cannot take .* on cuda:0"):
                mixed()
