"""Matrix products in eight bits: both factors E4M3, sums in float32. Twice as fast as bf16 where tensor cores do it.

Every row of a weight has its scale, and so has every row of what comes in: found anew at each call. Sizes are padded with zeros
to what the kernels take; most of the published ones are no multiple of 16. Axes: b batch, n rows of the sequence, m rows of one
product, c channels.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.model.fp8 import FP8, Fp8Linear, put, quantize
from happyhorse.model.transformer import Sizes, Transformer

MULTIPLE = 16
LEAST_CAPABILITY = (9, 0)
"""Of NVIDIA GPUs: those whose kernels take a scale for each row."""


class Fp8Product(nn.Module):
    """Stands for an Fp8Linear, with the same values: padded once, or, unless `padded`, at each call from the very same tensors."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: Fp8Linear, *, padded: bool) -> None:
        super().__init__()
        self.groups = linear.groups
        self.width_out = linear.weight.shape[0] // linear.groups
        weight, scale = linear.weight, linear.scale
        if padded:
            parts, scales = zip(*map(_padded, *self._parts(weight, scale)), strict=True)
            weight, scale = torch.cat(parts), torch.cat(scales)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, x: Float[Tensor, "b n c_in"], sizes: Sizes) -> Float[Tensor, "b n c_out"]:
        inputs = (x,) if self.groups == 1 else x.split(sizes, dim=1)
        parts = zip(inputs, *self._parts(self.weight, self.scale), strict=True)
        found = [self._product(rows, *_padded(weight, scale)) for rows, weight, scale in parts]
        return found[0] if self.groups == 1 else torch.cat(found, dim=1)

    def _parts(self, weight: Tensor, scale: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The weight and the scales of each modality."""
        return weight.chunk(self.groups), scale.expand(weight.shape[0]).chunk(self.groups)

    def _product(
        self, x: Float[Tensor, "b n c_in"], weight: Tensor, scale: Float[Tensor, " rows"]
    ) -> Float[Tensor, "b n c_out"]:
        if x.shape[1] == 0:
            return x.new_empty(*x.shape[:2], self.width_out, dtype=torch.bfloat16)
        rows = x.to(torch.bfloat16).flatten(0, 1)
        if more_columns := weight.shape[1] - x.shape[2]:
            rows = F.pad(rows, (0, more_columns))
        found = product(*quantize(rows), weight, scale)
        return found[:, : self.width_out].unflatten(0, x.shape[:2])


def multiply_in_fp8(model: Transformer, *, streamed: bool = False) -> None:
    """Let a network whose block matrices are FP8 multiply in FP8. Its weights must be where they are used, or are `streamed` from.

    A streamed weight stays as it is in host memory, page-locked or mapped from its file, and is padded on the device at each
    call: that takes a hundredth of the time in which it passed the bus.
    """
    for name, module in list(model.named_modules()):
        if isinstance(module, Fp8Linear):
            put(model, name, Fp8Product(module, padded=not streamed))


def _padded(weight: Tensor, scale: Float[Tensor, " rows"]) -> tuple[Tensor, Float[Tensor, " more_rows"]]:
    """Return a weight and its scales with zeros up to multiples; as they are where they are multiples."""
    more_rows, more_columns = (-size % MULTIPLE for size in weight.shape)
    if more_rows or more_columns:
        weight = F.pad(weight.view(torch.uint8), (0, more_columns, 0, more_rows)).view(FP8)
    return weight, F.pad(scale, (0, more_rows)) if more_rows else scale.contiguous()


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
