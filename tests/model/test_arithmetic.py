"""Sixteen bits against thirty-two, with the weights that ship: nobody is to see which of the two made a clip."""

from contextlib import nullcontext
from importlib import resources
from pathlib import Path

import pytest
import torch

from happyhorse.model import arithmetic, video_vae
from happyhorse.model.checkpoint import load_checkpoint
from happyhorse.model.pack import Latents, pack
from happyhorse.model.video_vae import VideoVae

WEIGHTS = Path(str(resources.files("happyhorse") / "weights" / "nano"))


def bf16():
    return torch.autocast("cpu", torch.bfloat16)


@torch.inference_mode()
def test_pictures_of_both_are_the_same_to_the_eye(monkeypatch):
    vae = VideoVae.load(WEIGHTS / "video_vae.safetensors")
    latent = torch.randn(1, 96, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    drawn = {}
    for arithmetic_used in (nullcontext, bf16):
        monkeypatch.setattr(video_vae, "quick", arithmetic_used)
        drawn[arithmetic_used] = vae.decode(latent)
    error = (drawn[bf16] - drawn[nullcontext]).square().mean()
    assert 0 < error < 4 * 10**-5.5, "they differ, by less than 55 dB"


@torch.inference_mode()
def test_velocities_of_both_agree():
    model = load_checkpoint(WEIGHTS / "transformer.safetensors").model
    generator = torch.Generator().manual_seed(2)
    config = model.config
    rows = pack(
        config,
        video=torch.randn(1, config.latent_channels, 2, 4, 6, generator=generator),
        audio=torch.randn(1, 13, config.audio_channels, generator=generator),
        text=torch.randn(1, 4, config.text_channels, generator=generator),
    )
    exact: Latents = model(rows)
    with bf16():
        quick: Latents = model(rows)
    for said, meant in zip(quick, exact, strict=True):
        assert 0 < (said - meant).norm() < 0.03 * meant.norm()


@pytest.mark.parametrize(
    ("found", "answer"),
    [({"amx_bf16": True}, True), ({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False), ({}, False)],
)
def test_sixteen_bits_only_where_the_processor_has_units_for_them(monkeypatch, found, answer):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    arithmetic._multiplies_bf16.cache_clear()
    try:
        with arithmetic.quick():
            assert torch.is_autocast_enabled("cpu") is answer
    finally:
        arithmetic._multiplies_bf16.cache_clear()
