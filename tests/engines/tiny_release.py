"""The tiny release on disk, in the layouts in which the 15 B weights are published, to be opened as those are."""

import json

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from tiny_magihuman import (
    CONFIG,
    DISTILLED,
    GUIDED,
    PICTURES,
    SOUND,
    random_network,
    tiny_audio_vae,
    tiny_turbo_vae,
    tiny_wan_vae,
    write_text_encoder,
)

from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.footprint import network_bytes
from happyhorse.hub.parts import PARTS
from happyhorse.hub.store import WeightStore
from happyhorse.model import wan_vae
from happyhorse.model.config import PRESETS
from happyhorse.model.convert import TURBO_VAE_CHECKPOINT, TURBO_VAE_FILE, convert_network
from happyhorse.model.layouts import Shards
from happyhorse.model.oobleck import PREFIX
from happyhorse.model.release import NETWORKS, networks_of
from happyhorse.model.transformer import cast_block_linears
from happyhorse.model.turbo_vae import FORMAT


def write_release(weights_dir):
    """Write every part to a folder of its own, as a user has them, and link it."""
    for part in PARTS:
        folder = weights_dir / "mine" / part.name
        folder.mkdir(parents=True)
        _WRITERS.get(part.name, _write_network)(folder)
        _store(weights_dir).link(part, folder)
    turbo = {"format": FORMAT, "config": json.dumps(_turbo_vae_config())}
    save_file(tiny_turbo_vae().state_dict(), _store(weights_dir).root / TURBO_VAE_FILE, metadata=turbo)


def write_conversions(weights_dir):
    """Write every network in eight bits beside it."""
    store = _store(weights_dir)
    for part in PARTS:
        if part.name in NETWORKS:
            config = networks_of(CONFIG)[part.name].config
            convert_network(store.folder(part), store.conversion(part, "fp8"), config, storage="fp8")


def link_conversions(weights_dir, converted):
    """Take the networks of `weights_dir` from conversions of another release, as if they had been published in eight bits."""
    for part in PARTS:
        if part.name in NETWORKS:
            _store(weights_dir).link(part, _store(converted).conversion(part, "fp8"))


def expect_tiny_release(monkeypatch):
    """Let the engine expect the tiny sizes, and count the networks as it counts the published ones."""
    for name, network in networks_of(CONFIG).items():
        monkeypatch.setitem(NETWORKS, name, network)
    for capabilities in (DISTILLED, GUIDED):
        monkeypatch.setitem(CATALOG, capabilities.engine, capabilities)
    monkeypatch.setattr(wan_vae, "WanVaeConfig", lambda: PICTURES)
    monkeypatch.setattr(Shards, "loaded_bytes", _published_bytes)


def _published_bytes(shards, *, fp8):
    return network_bytes(PRESETS["15b"], fp8=fp8 or shards.layout == "fp8")


def _store(weights_dir):
    return WeightStore(weights_dir / "magihuman")


def _write_network(folder):
    model = random_network(networks_of(CONFIG)[folder.name].config, folder.name)
    if folder.name == "base":
        cast_block_linears(model, torch.bfloat16)
    save_torch_state_dict(
        model.state_dict(), folder, filename_pattern="model{suffix}.safetensors", max_shard_size="100KB"
    )


def _write_turbo_vae(folder):
    """Its checkpoint is not read again once it is converted."""
    (folder / "TurboV3-Wan22-TinyShallow_7_7.json").write_text(json.dumps(_turbo_vae_config()))
    (folder / TURBO_VAE_CHECKPOINT).write_bytes(b"converted")


def _turbo_vae_config():
    """As published: lists from the pixels inwards."""
    config = tiny_turbo_vae().config
    spatial = [up and not both for up, both in zip(config.upsamples, config.temporal, strict=True)]
    return {
        "decoder_block_out_channels": list(reversed(config.widths)),
        "decoder_layers_per_block": list(reversed((config.middle_blocks, *config.blocks))),
        "decoder_spatio_temporal_scaling": list(reversed(config.upsamples)),
        "decoder_spatio_only": list(reversed(spatial)),
        "decoder_is_dw_conv": [False] * (1 + len(config.blocks)),
        "first_chunk_size": config.first_window,
        "step_size": config.window,
        "latent_channels": config.latent_channels,
    }


def _write_wan_vae(folder):
    save_file(tiny_wan_vae().net.state_dict(), folder / "diffusion_pytorch_model.safetensors")


def _write_audio_vae(folder):
    """Inside the whole model that it is published with."""
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in tiny_audio_vae().net.state_dict().items()}
    save_file({**tensors, "model.model.other": torch.zeros(3)}, folder / "model.safetensors")
    decoder = {
        "channels": SOUND.width,
        "c_mults": SOUND.multiples,
        "strides": SOUND.strides,
        "latent_dim": SOUND.latent_channels,
    }
    config = {"model": {"pretransform": {"config": {"decoder": {"config": decoder}}}}}
    (folder / "model_config.json").write_text(json.dumps(config))


_WRITERS = {
    "text_encoder": write_text_encoder,
    "wan_vae": _write_wan_vae,
    "turbo_vae": _write_turbo_vae,
    "audio_vae": _write_audio_vae,
}
