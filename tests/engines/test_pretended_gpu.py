"""The 15 B engine where the GPU is another device than the CPU: whole clips, every arrangement, the CPU's own values.

A tensor that is left on the wrong side stops the first clip on a real GPU, and cannot be seen where both are the CPU.
"""

import wave
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pretended_gpu import CPU, GPU, PretendedGpu, place
from torch import nn

pytest.importorskip("diffusers")

from random_magihuman import random_engine
from test_memory_capped import SHRUNKEN
from tiny_magihuman import write_text_encoder

from happyhorse.bench.magihuman import BENCH_PRESETS
from happyhorse.engines.footprint import GB
from happyhorse.engines.plan import plan
from happyhorse.media.read import probe
from happyhorse.model import transformer
from happyhorse.model.t5gemma import PromptEncoder
from happyhorse.request import parse_request


def make(device, free_gb, fields, folder, monkeypatch):
    """The latents of a clip with a first frame, and its pictures' file."""
    preset = BENCH_PRESETS["tiny"]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_gb * GB, free_gb * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    folder.mkdir()
    media = {"image": folder / "in.png"}
    Image.fromarray(np.full((360, 640, 3), 128, np.uint8)).save(media["image"])
    if fields.get("voice"):
        media["voice"] = folder / "in.wav"
        write_tone(str(media["voice"]))
    request = parse_request(
        {
            "prompt": "A cat.",
            "seed": 1,
            "duration": 3,
            **fields,
            **{name: str(path) for name, path in media.items()},
        }
    )
    made = plan(request, preset.capabilities, media={str(path): probe(path) for path in media.values()})
    made = replace(made, width=64, height=36)
    torch.manual_seed(0)
    engine = random_engine(preset, SHRUNKEN, folder, device, monkeypatch)
    take = engine.denoise(made, on_progress=lambda _: None)
    take = engine.refine(made, take, on_progress=lambda _: None)
    engine.render(made, take, folder / "a.mp4", on_progress=lambda _: None)
    return engine.release.arrange.found.arrangement.name, take.latents, (folder / "a.mp4").read_bytes()


def write_tone(path):
    samples = 8000 * np.sin(np.arange(48000 * 2) / 20)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("free_gb", "fields", "name"),
    [
        pytest.param(139, {"resolution": "480P"}, "resident", id="resident"),
        pytest.param(40, {"draft": True, "voice": True}, "lean encoder", id="lean encoder, a voice"),
        pytest.param(48, {"resolution": "1080P"}, "fp8", id="fp8, strips"),
        pytest.param(24, {"resolution": "480P"}, "swapped fp8", id="swapped fp8"),
        pytest.param(16, {"resolution": "480P"}, "streamed", id="streamed"),
        pytest.param(5, {"draft": True}, "streamed fp8", id="streamed fp8"),
    ],
)
def test_a_clip_has_each_tensor_where_it_is_used(free_gb, fields, name, tmp_path, monkeypatch):
    monkeypatch.setattr(transformer, "SCORES_IN_CACHE", 0)  # as on a GPU
    arranged, expected, file = make(CPU, free_gb, fields, tmp_path / "cpu", monkeypatch)
    with PretendedGpu(monkeypatch) as gpu:
        found = make(GPU, free_gb, fields, tmp_path / "gpu", monkeypatch)
    assert arranged == found[0] == name
    assert gpu.calls > 1000
    for each, latent in expected.items():
        assert np.array_equal(latent, found[1][each]), each
    assert file == found[2]


def test_a_prompt_is_read_where_the_encoder_is(tmp_path, monkeypatch):
    write_text_encoder(tmp_path)
    expected = PromptEncoder.load(tmp_path, dtype=torch.float32).encode("woman, kitchen, rain")
    with PretendedGpu(monkeypatch), torch.inference_mode():
        found = PromptEncoder.load(tmp_path, device=GPU, dtype=torch.float32).encode("woman, kitchen, rain")
        assert place(found) == GPU
        assert torch.equal(found.cpu(), expected)


def test_what_is_pretended_refuses_what_a_gpu_would(monkeypatch):
    with PretendedGpu(monkeypatch):
        layer, rows = nn.Linear(2, 2), torch.ones(1, 2)
        assert place(layer.to(GPU)(rows.to(GPU))) == GPU
        assert rows.device == CPU
        assert place(rows.to(GPU)[torch.tensor([0])] * torch.tensor(2.0)) == GPU
        for mixed in (lambda: layer(rows), lambda: torch.cat([rows, rows.to(GPU)]), rows.to(GPU).numpy):
            with pytest.raises(RuntimeError, match=r"cannot take .* on cuda:0"):
                mixed()
