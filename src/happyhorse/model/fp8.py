"""Block matrices kept in eight bits: E4M3 values and a scale, half the memory of bf16. Products are still made in bf16.

Axes: b batch, n rows of the sequence, c channels. Source of the published form: specs/model.md 7 (one scale a matrix).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.config import ModelConfig
from happyhorse.model.transformer import GroupedLinear, Sizes, Transformer, cast_block_linears

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max


class Fp8Linear(nn.Module):
    """A GroupedLinear whose weight is FP8; `scale` is one number, or one for each row of the weight."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor, *, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, x: Float[Tensor, "b n c_in"], sizes: Sizes) -> Float[Tensor, "b n c_out"]:
        x = x.to(torch.bfloat16)
        scale = self.scale.expand(self.weight.shape[0])
        if self.groups == 1:
            return _product(x, self.weight, scale)
        parts = zip(
            x.split(sizes, dim=1), self.weight.chunk(self.groups), scale.chunk(self.groups), strict=True
        )
        return torch.cat([_product(*part) for part in parts], dim=1)


def quantize(matrix: Float[Tensor, "rows columns"]) -> tuple[Tensor, Float[Tensor, " rows"]]:
    """Return FP8 values and one float32 scale for each row."""
    largest = matrix.abs().amax(dim=1).float().clamp(min=torch.finfo(torch.float32).tiny)
    scale = largest / LARGEST
    return (matrix / scale[:, None]).to(FP8), scale  # divided in float32, whatever the matrix is


def dequantize(weight: Tensor, scale: Tensor) -> Float[Tensor, "rows columns"]:
    """Return in bf16 what FP8 values with one scale, or one for each row, stand for."""
    return (weight.float() * scale.reshape(-1, 1)).to(torch.bfloat16)


def quantize_blocks(model: Transformer) -> None:
    """Replace every block matrix of a model by FP8, one at a time, so that the peak is the model itself."""
    for name, module in list(model.named_modules()):
        if isinstance(module, GroupedLinear):
            put(model, name, Fp8Linear(*quantize(module.weight.detach()), groups=module.groups))


def blank_network(config: ModelConfig, *, fp8: bool) -> Transformer:
    """Return a network of the meta device in its published precision, or with block matrices in FP8."""
    with torch.device("meta"):
        model = Transformer(config)
    cast_block_linears(model, torch.bfloat16)
    if fp8:
        quantize_blocks(model)
    return model


def put(model: nn.Module, name: str, module: nn.Module) -> None:
    """Set a module by its dotted name."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def has_nan(weight: Tensor) -> bool:
    """Whether an FP8 tensor holds not-a-number, the only value of E4M3 that is not finite."""
    return bool(((weight.view(torch.uint8) & 0x7F) == 0x7F).any())


def _product(
    x: Float[Tensor, "b n c_in"], weight: Tensor, scale: Float[Tensor, " c_out"]
) -> Float[Tensor, "b n c_out"]:
    # E4M3 values are exact in bf16, so the scale is better applied to the product than to the weight: in float32, then rounded.
    return F.linear(x, weight.to(torch.bfloat16)).mul_(scale)
