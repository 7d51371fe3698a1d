"""Goldens of what stands around the 15 B network: picture codecs, sound codec, and the handling of pictures and lengths."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from happyhorse.errors import Unsupported
from happyhorse.model import oobleck, pictures, wan_vae
from happyhorse.model.checkpoint import fill
from happyhorse.model.goldens import EXACT, Case, Check, Limit
from happyhorse.model.oobleck import Oobleck, OobleckConfig
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.model.wan_vae import WanVae, WanVaeConfig

CODEC = Limit(1e-4, 1e-5)
"""Source: the README beside the golden files."""
PUBLISHED_RATE = 441 / 512
"""The published pipeline writes 44.1 kHz; ours writes 48 kHz by the same resampling."""
LANCZOS = Limit(1e-6, 1e-6)
BYTES = Limit(0.02, 0.0005)
"""About one level of 255, since limits grow with the spread: values are cut off, and a last bit may tip one over."""


def check_turbo_vae(case: Case) -> Iterator[Check]:
    vae = TurboVae(TurboVaeConfig.from_published(case.settings))
    _fill(vae, _weights(case), case)
    latent = case["latent"]
    with torch.inference_mode():
        yield from case.compare("video", vae.decode(latent), CODEC)
        for name, is_first in (("decoder_first_chunk", True), ("decoder_later_chunk", False)):
            yield from case.compare(name, vae.draw(latent[:, :, :2], is_first=is_first), CODEC)


def check_wan_vae(case: Case) -> Iterator[Check]:
    given = case.settings
    try:
        config = WanVaeConfig(
            base_dim=int(str(given["dim"])),
            decoder_base_dim=int(str(given["dec_dim"])),
            dim_mult=tuple(_list(given, "dim_mult")),
            num_res_blocks=int(str(given["num_res_blocks"])),
            temporal_downsample=tuple(map(bool, _list(given, "temporal_downsample"))),
        )
    except (KeyError, ValueError) as err:
        raise Unsupported(f"the config of the autoencoder cannot be read: {err!r}") from err
    vae = WanVae(config)
    _fill(vae.net, wan_vae.named_for_diffusers(_weights(case)), case)
    for name, ours in (("latents_mean", vae.mean), ("latents_std", vae.std)):
        yield from case.compare(name, ours.flatten(), EXACT)
    with torch.inference_mode():
        for name in ("image", "video"):
            if name in case:
                yield from case.compare(f"{name}_latent", vae.encode(case[name]), CODEC)
        if "latent" in case:
            yield from case.compare("decoded", vae.decode(_batched(case["latent"], 5)), CODEC)


def check_oobleck(case: Case) -> Iterator[Check]:
    codec = Oobleck(OobleckConfig.from_published(case.settings))
    _fill(codec.net, oobleck.named_for_diffusers(_weights(case)), case)
    with torch.inference_mode():
        waveform = codec.decode(case["latent"].transpose(1, 2))
        yield from case.compare("waveform", waveform, CODEC)
        shorter = oobleck.resample(waveform[0], int(waveform.shape[2] * PUBLISHED_RATE)).T
        yield from case.compare("waveform_resampled", shorter, CODEC)
        if "enc_waveform" in case:
            mean, std = (part.transpose(1, 2) for part in codec.posterior(case["enc_waveform"]))
            raw = codec.net.encode(case["enc_waveform"]).latent_dist.parameters
            yield from case.compare("enc_pre_bottleneck", raw, CODEC)
            yield from case.compare("enc_mean", mean, CODEC)
            yield from case.compare("enc_std", std, CODEC)


def check_processing(case: Case) -> Iterator[Check]:
    for name in _numbered(case, "crop"):
        height, width, to_height, to_width, *_ = sizes = case[name].tolist()
        left, top, right, bottom = pictures.crop_box(width, height, target=(to_width, to_height))
        yield from case.compare(name, torch.tensor([*sizes[:4], bottom - top, right - left]), EXACT)
    for name in _numbered(case, "imgprep", "_out"):
        size = (case[name].shape[-1], case[name].shape[-2])
        ours = pictures.first_frame(case["imgprep_rgb_u8"].numpy(), size=size)
        yield from case.compare(name, ours[:, :, 0], LANCZOS)
    chunks = [case[name] for name in _numbered(case, "overlap_chunk")]
    if chunks:
        yield from case.compare("overlap_merged", oobleck.merge_windows(chunks), CODEC)
    for mode in ("bilinear", "bicubic"):
        name = f"video_up_{mode}"
        if name in case:
            size = (case[name].shape[2], case[name].shape[1])
            yield from case.compare(name, pictures.resize(case["video_u8"], size=size, mode=mode), BYTES)


def _weights(case: Case) -> dict[str, Tensor]:
    return {name.removeprefix("w."): case[name] for name in case.tensors if name.startswith("w.")}


def _fill(net: nn.Module, tensors: Mapping[str, Tensor], case: Case) -> None:
    fill(net, tensors, origin=case.name)
    net.eval()


def _list(settings: Mapping[str, object], name: str) -> list[int]:
    value = settings[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is {value!r}")
    return value


def _batched(tensor: Tensor, ndim: int) -> Tensor:
    return tensor if tensor.ndim == ndim else tensor[None]


def _numbered(case: Case, prefix: str, suffix: str = "") -> list[str]:
    """Names of tensors such as crop0, crop1, ..., in the order of their numbers."""
    numbers = [
        int(found[1]) for name in case.tensors if (found := re.fullmatch(rf"{prefix}(\d+){suffix}", name))
    ]
    return [f"{prefix}{number}{suffix}" for number in sorted(numbers)]
