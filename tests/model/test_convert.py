"""TurboVAE's pickle becomes safetensors in a process that unpickles tensors and nothing else."""

import json
from pathlib import Path

import pytest
import torch

from happyhorse.errors import WeightsMissing
from happyhorse.model.convert import TURBO_VAE_CHECKPOINT, convert_turbo_vae
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.model.unpickle import decoder_of

PUBLISHED = {
    "latent_channels": 48,
    "decoder_block_out_channels": [4, 4, 6, 8],
    "decoder_layers_per_block": [1, 1, 1, 1, 1],
    "decoder_spatio_temporal_scaling": [False, True, True, True],
    "decoder_spatio_only": [False, True, False, False],
    "decoder_is_dw_conv": [False] * 5,
    "first_chunk_size": 3,
    "step_size": 2,
}


class Trap:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, ("sprung",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    vae = TurboVae(TurboVaeConfig.from_published(PUBLISHED))
    averaged = {f"module.{name}": tensor for name, tensor in vae.state_dict().items()}
    extra = {"module.aligned_feature_projection_heads.0.weight": torch.ones(1)}
    raw = {name: tensor * 0 for name, tensor in averaged.items()}
    torch.save(
        {"ema_state_dict": averaged | extra, "state_dict": raw, "step": 3}, tmp_path / TURBO_VAE_CHECKPOINT
    )
    (tmp_path / "TurboV3.json").write_text(json.dumps(PUBLISHED))
    return tmp_path


def test_the_averaged_decoder_is_kept_with_its_config(folder: Path) -> None:
    convert_turbo_vae(folder, folder / "turbo_vae.safetensors")
    vae = TurboVae.load(folder / "turbo_vae.safetensors")
    saved = torch.load(folder / TURBO_VAE_CHECKPOINT, weights_only=True)["ema_state_dict"]
    assert vae.config.first_window == 3
    assert all(torch.equal(tensor, saved[f"module.{name}"]) for name, tensor in vae.state_dict().items())


def test_a_pickle_with_code_is_refused_and_does_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    torch.save({"ema_state_dict": {"module.decoder.x": Trap()}}, folder / TURBO_VAE_CHECKPOINT)
    with pytest.raises(WeightsMissing, match="holds more than tensors"):
        convert_turbo_vae(folder, folder / "turbo_vae.safetensors")
    assert not (folder / "sprung").exists()
    assert not (folder / "turbo_vae.safetensors").exists()


def test_what_is_missing_or_damaged_is_named(folder: Path) -> None:
    target = folder / "turbo_vae.safetensors"
    checkpoint = folder / TURBO_VAE_CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    with pytest.raises(WeightsMissing, match="cannot be converted"):
        convert_turbo_vae(folder, target)
    checkpoint.unlink()
    with pytest.raises(WeightsMissing, match="no weights at"):
        convert_turbo_vae(folder, target)
    (folder / "TurboV3.json").write_text("[1]")
    checkpoint.touch()
    with pytest.raises(WeightsMissing, match="not TurboVAE's config"):
        convert_turbo_vae(folder, target)
    (folder / "TurboV3.json").unlink()
    with pytest.raises(WeightsMissing, match="0 JSON files"):
        convert_turbo_vae(folder, target)


@pytest.mark.parametrize("checkpoint", [[], {"step": 1}, {"ema_state_dict": {"encoder.x": torch.zeros(1)}}])
def test_a_checkpoint_without_a_decoder_is_refused(checkpoint: object) -> None:
    with pytest.raises(ValueError, match="ema_state_dict"):
        decoder_of(checkpoint)
