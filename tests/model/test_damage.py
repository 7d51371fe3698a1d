"""A damaged file of a codec is named in one sentence, whichever codec and whatever the damage."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

pytest.importorskip("diffusers")

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import read_metadata
from happyhorse.model.oobleck import Oobleck, OobleckConfig
from happyhorse.model.turbo_vae import FORMAT, TurboVae, TurboVaeConfig
from happyhorse.model.wan_vae import WanVae, WanVaeConfig

SOUND = OobleckConfig(width=2, multiples=(1, 1, 1, 1, 1))
PICTURES = WanVaeConfig(4, 4, num_res_blocks=1)
TURBO = {
    "latent_channels": 48,
    "decoder_block_out_channels": [4, 6, 6, 8],
    "decoder_layers_per_block": [1, 1, 1, 1, 1],
    "decoder_spatio_temporal_scaling": [False, True, True, True],
    "decoder_spatio_only": [False, True, False, False],
    "decoder_is_dw_conv": [False] * 5,
    "first_chunk_size": 7,
    "step_size": 7,
}
Load = Callable[[Path], nn.Module]


def _save(path: Path, net: nn.Module, metadata: dict[str, str]) -> None:
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()}, path, metadata=metadata
    )


def _wan(path: Path) -> Load:
    _save(path, WanVae(PICTURES).net, {})
    return lambda path: WanVae.load(path, PICTURES)


def _oobleck(path: Path) -> Load:
    _save(path, Oobleck(SOUND).net, {})
    return lambda path: Oobleck.load(path, SOUND)


def _turbo(path: Path) -> Load:
    vae = TurboVae(TurboVaeConfig.from_published(TURBO))
    _save(path, vae, {"format": FORMAT, "config": json.dumps(TURBO)})
    return TurboVae.load


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _not_safetensors(path: Path) -> None:
    path.write_bytes(b"<html>404</html>")


def _change(change: Callable[[dict[str, torch.Tensor], str], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        tensors, metadata = load_file(path), read_metadata(path)
        change(tensors, min(name for name, tensor in tensors.items() if tensor.ndim > 2))
        save_file(tensors, path, metadata=metadata)

    return damage


@pytest.mark.parametrize("write", [_wan, _oobleck, _turbo])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, r"there are no weights at .*file\.safetensors$"),
        (_cut, r"file\.safetensors is not a complete safetensors file"),
        (_not_safetensors, r"file\.safetensors is not a complete safetensors file"),
        (_change(lambda t, name: t.pop(name)), r"file\.safetensors lacks 1 of \d+ tensors, first \S+$"),
        (_change(lambda t, name: t[name].view(-1)[0].fill_(torch.nan)), "contains values that are not finite$"),
        (_change(lambda t, name: t.update({name: t[name][..., :-1].contiguous()})), r"has the shape .*; this model needs "),
        (_change(lambda t, name: t.update({name: t[name].int()})), "is stored as int32; this model needs float32$"),
    ],
)  # fmt: skip
def test_a_damaged_codec_is_named(
    tmp_path: Path, write: Callable[[Path], Load], damage: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "file.safetensors"
    load = write(path)
    load(path)
    damage(path)
    with pytest.raises(WeightsMissing, match=said) as caught:
        load(path)
    assert "\n" not in caught.value.message
