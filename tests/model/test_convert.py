"""TurboVAE's pickle becomes safetensors in a process that unpickles tensors and nothing else."""

import json
from collections.abc import Callable
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
    with pytest.raises(WeightsMissing, match=r"cannot be converted: it holds more than tensors: getattr$"):
        convert_turbo_vae(folder, folder / "turbo_vae.safetensors")
    assert not (folder / "sprung").exists()
    assert not (folder / "turbo_vae.safetensors").exists()


Change = Callable[[dict[str, torch.Tensor], str], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, name: t.pop(name), r"lacks 1 of \d+ tensors, first decoder\.\S+$"),
        (lambda t, name: t.update({name: torch.zeros(2, 2)}), r"has the shape \(2, 2\); this model needs \("),
        (lambda t, name: t[name].view(-1)[0].fill_(torch.nan), "contains values that are not finite$"),
        (lambda t, name: t.update({name: t[name].int()}), "is stored as int32; this model needs float32$"),
    ],
)
def test_a_decoder_that_cannot_be_used_does_not_replace_one_that_can(
    folder: Path, change: Change, said: str
) -> None:
    target, checkpoint = folder / "turbo_vae.safetensors", folder / TURBO_VAE_CHECKPOINT
    convert_turbo_vae(folder, target)
    made = target.read_bytes()
    saved = torch.load(checkpoint, weights_only=True)
    stripped = {name.removeprefix("module."): t for name, t in saved["ema_state_dict"].items()}
    change(stripped, min(name for name, t in stripped.items() if name.startswith("decoder.") and t.ndim > 2))
    torch.save({"ema_state_dict": stripped}, checkpoint)
    with pytest.raises(WeightsMissing, match=rf"cannot be converted: its decoder.*{said}"):
        convert_turbo_vae(folder, target)
    assert target.read_bytes() == made


def test_what_is_missing_or_damaged_is_named(folder: Path) -> None:
    target = folder / "turbo_vae.safetensors"
    checkpoint = folder / TURBO_VAE_CHECKPOINT
    whole = checkpoint.read_bytes()
    for content in (whole[:2000], whole[:-10], b"", b"<html>404</html>"):
        checkpoint.write_bytes(content)
        with pytest.raises(
            WeightsMissing, match="ckpt cannot be converted: it is cut short, or not of the format"
        ):
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
