"""The sound codec: lengths, windows, resampling, and the names of the original file."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from happyhorse.errors import WeightsMissing
from happyhorse.model import oobleck as module
from happyhorse.model.oobleck import (
    PREFIX,
    SAMPLES_PER_LATENT,
    Oobleck,
    OobleckConfig,
    merge_windows,
    named_for_diffusers,
    resample,
)

pytest.importorskip("diffusers")
TINY = OobleckConfig(width=2, multiples=(1, 1, 1, 1, 1), latent_channels=4)


@pytest.fixture(scope="module")
def codec() -> Oobleck:
    torch.manual_seed(0)
    codec = Oobleck(TINY)
    for parameter in codec.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return codec.eval()


@pytest.mark.parametrize(("old", "new"), [(100, 75), (99, 80), (64, 100), (65, 100), (6144, 5760), (50, 50)])
def test_resampling_is_scipys(old: int, new: int) -> None:
    signal = pytest.importorskip("scipy.signal")
    waveform = torch.randn(2, old, generator=torch.Generator().manual_seed(old))
    expected = torch.from_numpy(signal.resample(waveform.double().numpy(), new, axis=1)).float()
    torch.testing.assert_close(resample(waveform, new), expected, atol=2e-6, rtol=0)


def test_a_latent_is_2048_samples_both_ways(codec: Oobleck) -> None:
    with torch.inference_mode():
        assert codec.decode(torch.zeros(1, 3, 4)).shape == (1, 2, 3 * SAMPLES_PER_LATENT)
        latents = codec.encode(torch.zeros(1, 2, 2 * SAMPLES_PER_LATENT + 1), noise=torch.zeros_like)
    assert latents.shape == (1, 3, 4)


@pytest.mark.parametrize("num_latents", [2, 7, 14, 28, 55])
def test_encoding_draws_from_the_posterior_of_just_that_sound(codec: Oobleck, num_latents: int) -> None:
    waveform = torch.rand(1, 2, num_latents * SAMPLES_PER_LATENT) - 0.5
    with torch.inference_mode():
        mean, std = codec.posterior(waveform)
        torch.testing.assert_close(codec.encode(waveform, noise=torch.ones_like), mean + std)


def test_long_sound_is_encoded_in_windows_that_fade(codec: Oobleck, monkeypatch: pytest.MonkeyPatch) -> None:
    waveform = torch.rand(1, 2, 10 * SAMPLES_PER_LATENT, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.inference_mode():
        whole = codec.encode(waveform, noise=torch.zeros_like)
        monkeypatch.setattr(module, "WINDOW_S", 4 / 25)
        joined = codec.encode(waveform, noise=torch.zeros_like)
    assert joined.shape == whole.shape
    torch.testing.assert_close(joined[:, :1], whole[:, :1], atol=1e-3, rtol=0)
    assert float((joined - whole).abs().max()) < float(whole.abs().max())


def test_windows_fade_linearly_over_their_half() -> None:
    ones, threes = torch.ones(1, 4, 1), torch.full((1, 4, 1), 3.0)
    assert merge_windows([ones, threes]).flatten().tolist() == [1, 1, 1, 2, 3, 3]
    assert merge_windows([ones]).tolist() == ones.tolist()


def test_there_are_as_many_tensors_as_published() -> None:
    with torch.device("meta"):
        weights = Oobleck(OobleckConfig()).net.state_dict()
    assert len(weights) == 365
    halves = {
        half: sum(t.numel() for name, t in weights.items() if name.startswith(half))
        for half in ("encoder", "decoder")
    }
    assert {half: round(count / 1e6, 1) for half, count in halves.items()} == {
        "encoder": 78.0,
        "decoder": 78.1,
    }


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("encoder.layers.0.weight_g", "encoder.conv1.weight_g"),
        ("encoder.layers.3.layers.1.layers.2.alpha", "encoder.block.2.res_unit2.snake2.alpha"),
        ("encoder.layers.5.layers.4.bias", "encoder.block.4.conv1.bias"),
        ("decoder.layers.1.layers.1.weight_v", "decoder.block.0.conv_t1.weight_v"),
        ("decoder.layers.2.layers.4.layers.3.bias", "decoder.block.1.res_unit3.conv2.bias"),
        ("decoder.layers.7.weight_v", "decoder.conv2.weight_v"),
    ],
)
def test_original_names_become_those_of_diffusers(published: str, ours: str, codec: Oobleck) -> None:
    assert list(named_for_diffusers({PREFIX + published: torch.zeros(2)})) == [ours]
    assert ours in codec.net.state_dict()


def test_a_file_is_read_with_the_sizes_beside_it(tmp_path: Path, codec: Oobleck) -> None:
    path = tmp_path / "model.safetensors"
    save_file({k: v.contiguous() for k, v in codec.net.state_dict().items()}, path)
    decoder = {"channels": 2, "c_mults": [1] * 5, "strides": [2, 4, 4, 8, 8], "latent_dim": 4}
    published = {"model": {"pretransform": {"config": {"decoder": {"config": decoder}}}}}
    (tmp_path / "model_config.json").write_text(json.dumps(published))
    latents = torch.randn(1, 2, 4)
    with torch.inference_mode():
        torch.testing.assert_close(Oobleck.load(path).decode(latents), codec.decode(latents))
    (tmp_path / "model_config.json").write_text('{"model": 3}')
    with pytest.raises(WeightsMissing, match="config of the audio autoencoder"):
        Oobleck.load(path)


def test_a_tensor_of_another_network_is_named() -> None:
    with pytest.raises(WeightsMissing, match=r"encoder\.layers\.9\.bias"):
        named_for_diffusers({"encoder.layers.9.bias": torch.zeros(1)})
