"""Wan 2.2's autoencoder: names of the original file find their place, latents are normalised."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from happyhorse.errors import WeightsMissing
from happyhorse.model.wan_vae import LATENTS_MEAN, LATENTS_STD, WanVae, WanVaeConfig, named_for_diffusers

pytest.importorskip("diffusers")
SMALL = WanVaeConfig(base_dim=8, decoder_base_dim=8, num_res_blocks=1)


@pytest.fixture(scope="module")
def vae() -> WanVae:
    torch.manual_seed(0)
    return WanVae(SMALL).eval()


def test_there_are_as_many_values_as_published() -> None:
    with torch.device("meta"):
        weights = WanVae(WanVaeConfig()).net.state_dict()
    assert len(weights) == 196
    assert round(sum(tensor.numel() for tensor in weights.values()) / 1e6, 1) == 704.7


def test_one_picture_is_one_latent_and_five_are_two(vae: WanVae) -> None:
    with torch.inference_mode():
        assert vae.encode(torch.zeros(1, 3, 1, 32, 64)).shape == (1, 48, 1, 2, 4)
        latent = vae.encode(torch.zeros(1, 3, 5, 32, 32))
        assert latent.shape == (1, 48, 2, 2, 2)
        assert vae.decode(latent).shape == (1, 3, 5, 32, 32)


def test_latents_are_normalised_per_channel(vae: WanVae) -> None:
    with torch.inference_mode():
        pixels = torch.rand(1, 3, 1, 32, 32) * 2 - 1
        raw = vae.net.encode(pixels).latent_dist.mode()
        expected = (raw - torch.tensor(LATENTS_MEAN).view(1, -1, 1, 1, 1)) / torch.tensor(LATENTS_STD).view(
            1, -1, 1, 1, 1
        )
        torch.testing.assert_close(vae.encode(pixels), expected)


def test_a_file_is_read_and_a_wrong_one_named(tmp_path: Path, vae: WanVae) -> None:
    path = tmp_path / "vae.safetensors"
    save_file(vae.net.state_dict(), path)
    loaded = WanVae.load(path, SMALL, dtype=torch.bfloat16)
    assert next(loaded.net.parameters()).dtype == torch.bfloat16
    assert loaded.std.dtype == torch.float32
    save_file({"decoder.elsewhere.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsMissing, match=r"decoder\.elsewhere\.weight"):
        WanVae.load(path, SMALL)


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("conv1.weight", "quant_conv.weight"),
        ("conv2.bias", "post_quant_conv.bias"),
        ("encoder.conv1.weight", "encoder.conv_in.weight"),
        ("decoder.head.2.bias", "decoder.conv_out.bias"),
        ("decoder.middle.1.to_qkv.weight", "decoder.mid_block.attentions.0.to_qkv.weight"),
        ("encoder.middle.2.residual.3.gamma", "encoder.mid_block.resnets.1.norm2.gamma"),
        (
            "encoder.downsamples.1.downsamples.0.shortcut.weight",
            "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
        ),
        ("decoder.upsamples.0.upsamples.3.time_conv.bias", "decoder.up_blocks.0.upsampler.time_conv.bias"),
        (
            "encoder.downsamples.0.downsamples.2.resample.1.weight",
            "encoder.down_blocks.0.downsampler.resample.1.weight",
        ),
    ],
)
def test_original_names_become_those_of_diffusers(published: str, ours: str, vae: WanVae) -> None:
    assert list(named_for_diffusers({published: torch.zeros(1)})) == [ours]
    if "shortcut" not in ours:
        assert ours in vae.net.state_dict()
