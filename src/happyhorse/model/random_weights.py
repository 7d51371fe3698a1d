"""Networks of random values, made on the device: for measuring speed and memory, which do not depend on the values."""

import torch
from torch import nn

from happyhorse.model.config import ModelConfig
from happyhorse.model.fp8 import FP8, Fp8Linear, put
from happyhorse.model.rope import RotaryBands
from happyhorse.model.transformer import GroupedLinear, Transformer, cast_block_linears


def random_network(config: ModelConfig, *, device: torch.device, fp8: bool) -> Transformer:
    """Return a network in its published precision, or with block matrices in FP8; nothing larger is ever allocated."""
    with torch.device("meta"):
        model = Transformer(config)
    cast_block_linears(model, torch.bfloat16)
    if fp8:
        for name, module in list(model.named_modules()):
            if isinstance(module, GroupedLinear):
                put(model, name, _random_fp8(module, device))
    for parent in list(model.modules()):
        for name, parameter in list(parent.named_parameters(recurse=False)):
            values = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
            values.normal_(std=parameter.shape[1] ** -0.5 if parameter.ndim > 1 else 0.0)
            setattr(parent, name, nn.Parameter(values, requires_grad=False))
    model.adapter.rope = RotaryBands(config.head_dim, theta=config.rope_theta).to(device)
    return model.eval()


def _random_fp8(linear: GroupedLinear, device: torch.device) -> Fp8Linear:
    rows, columns = linear.weight.shape
    values = torch.randn(rows, columns, dtype=torch.bfloat16, device=device).to(FP8)
    scale = torch.full((rows,), columns**-0.5, device=device)
    return Fp8Linear(values, scale, groups=linear.groups)
