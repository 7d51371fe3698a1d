"""Matrix products in eight bits: both factors E4M3, sums in float32. Twice as fast as bf16 where tensor cores do it.

Every row of a weight has its scale, and so has every row of what comes in: found anew at each call. Sizes are padded with zeros
to what the kernels take; most of the published ones are no multiple of 16. Axes: b batch, n rows of the sequence, m rows of one
product, c channels.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.fp8 import Fp8Linear, put, quantize
from happyhorse.model.transformer import Sizes, Transformer

MULTIPLE = 16
LEAST_CAPABILITY = (9, 0)
"""Of NVIDIA GPUs: those whose kernels take a scale for each row."""


class Fp8Product(nn.Module):
    """Stands for an Fp8Linear, with the same values."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: Fp8Linear) -> None:
        super().__init__()
        self.groups = linear.groups
        rows, columns = linear.weight.shape
        self.width_out = rows // linear.groups
        more_rows, self.more_columns = -self.width_out % MULTIPLE, -columns % MULTIPLE
        parts = linear.weight.view(torch.uint8).chunk(linear.groups)
        padded = [F.pad(part, (0, self.more_columns, 0, more_rows)) for part in parts]
        scales = [F.pad(part, (0, more_rows)) for part in linear.scale.expand(rows).chunk(linear.groups)]
        self.register_buffer("weight", torch.cat(padded).view(linear.weight.dtype))
        self.register_buffer("scale", torch.cat(scales))

    def forward(self, x: Float[Tensor, "b n c_in"], sizes: Sizes) -> Float[Tensor, "b n c_out"]:
        if self.groups == 1:
            return self._product(x, self.weight, self.scale)
        parts = zip(
            x.split(sizes, dim=1), self.weight.chunk(self.groups), self.scale.chunk(self.groups), strict=True
        )
        return torch.cat([self._product(*part) for part in parts], dim=1)

    def _product(
        self, x: Float[Tensor, "b n c_in"], weight: Tensor, scale: Float[Tensor, " rows"]
    ) -> Float[Tensor, "b n c_out"]:
        if x.shape[1] == 0:
            return x.new_empty(*x.shape[:2], self.width_out, dtype=torch.bfloat16)
        levels, row_scale = quantize(F.pad(x.to(torch.bfloat16), (0, self.more_columns)).flatten(0, 1))
        found = product(levels, row_scale, weight, scale)
        return found[:, : self.width_out].unflatten(0, x.shape[:2])


def multiply_in_fp8(model: Transformer) -> None:
    """Let a network whose block matrices are FP8 multiply in FP8. Its weights must be where they are used."""
    for name, module in list(model.named_modules()):
        if isinstance(module, Fp8Linear):
            put(model, name, Fp8Product(module))


def can_multiply(device: torch.device) -> bool:
    """Whether a GPU multiplies FP8 with a scale for each row; a CPU does it slowly."""
    return device.type != "cuda" or torch.cuda.get_device_capability(device) >= LEAST_CAPABILITY


def product(
    levels: Tensor, row_scale: Float[Tensor, " m"], weight: Tensor, scale: Float[Tensor, " c_out"]
) -> Float[Tensor, "m c_out"]:
    """Return (levels row_scale) (weight scale)^T in bf16, with torch's own kernel."""
    return torch._scaled_mm(
        levels, weight.t(), scale_a=row_scale[:, None], scale_b=scale[None], out_dtype=torch.bfloat16
    )


def product_plainly(
    levels: Tensor, row_scale: Float[Tensor, " m"], weight: Tensor, scale: Float[Tensor, " c_out"]
) -> Float[Tensor, "m c_out"]:
    """The same in float32: what the kernel is tested against."""
    return (levels.float() @ weight.float().t() * row_scale[:, None] * scale).to(torch.bfloat16)
