"""TurboVAE: windows join without a seam, the published sizes come out, another network is refused."""

import pytest
import torch

from happyhorse.errors import WeightsMissing
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig

SMALL = TurboVaeConfig(widths=(12, 8, 8, 6), first_window=3, window=2)
PUBLISHED: dict[str, object] = {
    "latent_channels": 48,
    "decoder_block_out_channels": [64, 128, 256, 512],
    "decoder_layers_per_block": [2, 2, 2, 3, 3],
    "decoder_spatio_temporal_scaling": [False, True, True, True],
    "decoder_spatio_only": [False, True, False, False],
    "decoder_is_dw_conv": [False] * 5,
    "decoder_causal": False,
    "patch_size": 2,
    "patch_size_t": 1,
    "first_chunk_size": 7,
    "step_size": 7,
    "scaling_factor": 1.0,
}


@pytest.fixture(scope="module")
def vae() -> TurboVae:
    torch.manual_seed(0)
    return TurboVae(SMALL).eval()


def _latent(frames: int) -> torch.Tensor:
    return torch.randn(1, 48, frames, 2, 1, generator=torch.Generator().manual_seed(frames))


def _by_the_book(vae: TurboVae, latent: torch.Tensor) -> torch.Tensor:
    """Sliding-window decoding, word for word as specs/model.md 5 has it."""
    f, s = vae.config.first_window, vae.config.window
    count = max(f, latent.shape[2])
    count = f + -(-(count - f) // s) * s
    repeated = count - latent.shape[2]
    latent = torch.cat([latent, *[latent[:, :, -1:]] * repeated], dim=2)
    if count == f:
        pictures = vae.draw(latent, is_first=True)
    else:
        parts = [vae.draw(latent[:, :, : f + 1], is_first=True)[:, :, :-4]]
        for i in range(f, count, s):
            window = vae.draw(latent[:, :, i - 1 : min(i + s + 1, count)], is_first=False)
            parts.append(window[:, :, 4:] if i + s == count else window[:, :, 4:-4])
        pictures = torch.cat(parts, dim=2)
    return pictures[:, :, : pictures.shape[2] - 4 * repeated]


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 8])
def test_windows_are_those_of_the_specification(vae: TurboVae, frames: int) -> None:
    latent = _latent(frames)
    with torch.inference_mode():
        pictures = vae.decode(latent)
        torch.testing.assert_close(pictures, _by_the_book(vae, latent))
    assert pictures.shape == (1, 3, 4 * (frames - 1) + 1, 32, 16)


def test_early_pictures_come_before_late_latents_are_looked_at(vae: TurboVae) -> None:
    latent, changed = _latent(9), _latent(9)
    changed[:, :, 5:] = 7
    with torch.inference_mode():
        first, other = next(vae.decode_stream(latent)), next(vae.decode_stream(changed))
    assert first.shape[2] == 9
    torch.testing.assert_close(first, other)


@pytest.mark.parametrize(("size", "strips"), [((1, 12), 2), ((12, 1), 3), ((2, 2), 3)])
def test_strips_draw_the_same_pictures(vae: TurboVae, size: tuple[int, int], strips: int) -> None:
    latent = torch.randn(1, 48, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = vae.decode(latent)
        drawn = torch.cat(list(vae.decode_stream(latent, strips=strips)), dim=2)
    assert float(whole.std()) > 0.01
    torch.testing.assert_close(drawn, whole, rtol=0, atol=1e-5 * float(whole.std()))


def test_a_strip_takes_no_more_of_its_neighbours_than_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    exact = TurboVae(SMALL).double().eval()
    reach = exact.decoder._reach()
    latent = torch.randn(1, 48, 1, 1, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.inference_mode():
        whole = exact.decode(latent)
        enough = torch.cat(list(exact.decode_stream(latent, strips=2)), dim=2)
        monkeypatch.setattr(type(exact.decoder), "_reach", lambda _: reach - 1)
        too_little = torch.cat(list(exact.decode_stream(latent, strips=2)), dim=2)
    assert float((enough - whole).abs().max()) < 1e-13 * float(whole.std())
    assert float((too_little - whole).abs().max()) > 1e-9 * float(whole.std())


def test_the_published_config_has_the_published_number_of_values() -> None:
    config = TurboVaeConfig.from_published(PUBLISHED)
    assert config == TurboVaeConfig()
    with torch.device("meta"):
        weights = TurboVae(config).state_dict()
    assert len(weights) == 80
    assert sum(tensor.numel() for tensor in weights.values()) == 107_122_892


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decoder_causal": True}, "decoder_causal"),
        ({"patch_size": 4}, "patch_size"),
        ({"decoder_is_dw_conv": [True] * 5}, "depthwise"),
        ({"decoder_block_out_channels": 64}, "decoder_block_out_channels"),
        ({"step_size": "many"}, "many"),
    ],
)
def test_another_network_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(WeightsMissing, match=reason):
        TurboVaeConfig.from_published(PUBLISHED | change)


def test_half_precision_weights_still_denormalise_in_float32(vae: TurboVae) -> None:
    half = TurboVae(SMALL)
    half.load_state_dict(vae.state_dict())
    half.decoder.to(torch.bfloat16)
    with torch.inference_mode():
        ours, exact = half.decode(_latent(2)), vae.decode(_latent(2))
    assert ours.dtype == torch.bfloat16
    assert half.mean.dtype == torch.float32
    assert float((ours.float() - exact).abs().mean()) < 0.05 * float(exact.std())
