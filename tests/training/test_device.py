"""Training on a GPU that is pretended on a CPU: each tensor where it is used, and the numbers of training on the CPU."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from pretended_gpu import CPU, GPU, PretendedGpu, place
from safetensors.torch import load_file
from torch.optim import AdamW

from happyhorse.cli.lab import find_device
from happyhorse.errors import InvalidRequest
from happyhorse.model import transformer
from happyhorse.model.config import PRESETS
from happyhorse.model.video_vae import BLOCK_VALUES, VideoVae, VideoVaeConfig
from happyhorse.training.clips import Codecs, make_clips
from happyhorse.training.codec_video import MIDDLE, redraw_step, train_step
from happyhorse.training.page import draw_samples
from happyhorse.training.redraw import CELL, Redrawn
from happyhorse.training.squares import SIDE, make_squares
from happyhorse.training.train import KINDS, Trainer

WEIGHTS = Path(str(resources.files("happyhorse"))) / "weights/nano"
CODECS = Codecs(*(WEIGHTS / f"{name}.safetensors" for name in ("video_vae", "audio_vae", "text")))
TINY = VideoVaeConfig(16, (16, 16, 16), (1, 1, 1), (16, 16, 16), (1, 1, 1))


@pytest.mark.slow
def test_the_transformer_learns_there_what_it_learns_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(transformer, "SCORES_IN_CACHE", 0)  # as on a GPU
    voices, clips = (make_clips(range(5, 6), kind=KINDS[name], codecs=CODECS) for name in ("voice", "short"))

    def trained(device, out):
        trainer = Trainer(PRESETS["nano"], CODECS, seed=0, device=device)
        losses = [trainer.train_step(batch, progress=0.0) for batch in (voices, clips)]
        trainer.save(out)
        again = Trainer(PRESETS["nano"], CODECS, seed=1, device=device)
        again.load(out)
        losses.append(again.train_step(clips, progress=0.5))
        return losses, again, draw_samples(again, clips)

    expected, before, page = trained(CPU, tmp_path / "cpu")
    with PretendedGpu(monkeypatch) as gpu:
        found, after, drawn = trained(GPU, tmp_path / "gpu")
        assert {place(each) for each in (*after.model.parameters(), *after.ema.parameters())} == {GPU}
    assert gpu.calls > 1000
    for one, other in zip(expected, found, strict=True):
        assert one == {name: loss.cpu() for name, loss in other.items()}
    for one, other in zip(before.ema.parameters(), after.ema.parameters(), strict=True):
        assert torch.equal(one, other)
    assert np.array_equal(page, drawn)


def test_the_codec_of_pictures_learns_there_what_it_learns_on_the_cpu(tmp_path, monkeypatch):
    squares = list(make_squares(range(1, 3)))[:2]
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q
    said = np.random.default_rng(0).normal(size=(16, 4, SIDE // CELL, SIDE // CELL)).astype(np.float16)
    redrawn = [Redrawn(square.frames[MIDDLE], square.face, said) for square in squares]

    def trained(device):
        torch.manual_seed(1)
        vae = VideoVae(TINY)
        vae.fit(torch.zeros(BLOCK_VALUES), basis, torch.ones(16))
        vae.to(device)
        optimizer = AdamW(vae.parameters(), lr=2e-3, foreach=False)
        generator = torch.Generator(device).manual_seed(0)
        read = train_step(vae, optimizer, squares, generator, noise=0.1)[0].item()
        again = redraw_step(vae, optimizer, redrawn).item()
        assert {place(each) for each in vae.state_dict().values()} == {device}
        vae.save(tmp_path / f"{device.type}.safetensors")
        return read, again

    expected = trained(CPU)
    with PretendedGpu(monkeypatch):
        assert trained(GPU) == expected
    kept, found = (load_file(tmp_path / f"{device.type}.safetensors") for device in (CPU, GPU))
    assert all(torch.equal(kept[name], tensor) for name, tensor in found.items())


def test_a_device_that_is_not_here_is_refused(monkeypatch):
    assert find_device("cpu") == CPU
    with pytest.raises(InvalidRequest, match="device must be cpu or cuda; got 'tpu'"):
        find_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidRequest, match=r"device must be cpu here: torch \S+ finds no NVIDIA GPU"):
        find_device("cuda")
