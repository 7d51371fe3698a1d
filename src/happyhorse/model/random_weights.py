"""Networks of random values, made on the device: for measuring speed and memory, which do not depend on the values."""

from collections.abc import Iterator

import torch
from torch import Tensor

from happyhorse.model.config import ModelConfig
from happyhorse.model.fp8 import FP8, blank_network
from happyhorse.model.rope import RotaryBands
from happyhorse.model.transformer import Transformer

_BANDS = "adapter.rope.bands"


def random_network(config: ModelConfig, *, device: torch.device, fp8: bool) -> Transformer:
    """Return a network in its published precision, or with block matrices in FP8; nothing larger is ever allocated."""
    model, tensors = open_random(config, device=device, fp8=fp8)
    model.load_state_dict(dict(tensors), strict=True, assign=True)
    return model.eval()


def open_random(
    config: ModelConfig, *, device: torch.device, fp8: bool
) -> tuple[Transformer, Iterator[tuple[str, Tensor]]]:
    """Return a network on the meta device and its tensors, drawn one by one as they are asked for; see `layouts.open_network`."""
    model = blank_network(config, fp8=fp8)
    return model, _drawn(model, device)


def _drawn(model: Transformer, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    for name, like in model.state_dict().items():
        if name == _BANDS:
            yield name, RotaryBands(model.config.head_dim, theta=model.config.rope_theta).bands.to(device)
        elif name.endswith(".scale"):
            yield name, torch.full(like.shape, model.config.hidden**-0.5, device=device)
        elif like.dtype == FP8:
            yield name, torch.randn(like.shape, dtype=torch.bfloat16, device=device).to(FP8)
        else:
            values = torch.empty(like.shape, dtype=like.dtype, device=device)
            yield name, values.normal_(std=like.shape[1] ** -0.5 if like.ndim > 1 else 0.0)
