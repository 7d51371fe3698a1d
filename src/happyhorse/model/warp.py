"""Move the pixels of a picture along a field, as motion does from one frame to the next."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def warp(pictures: Float[Tensor, "n c h w"], flow: Float[Tensor, "n 2 h2 w2"]) -> Float[Tensor, "n c h w"]:
    """Return pictures whose pixel (x, y) shows what stood at (x + flow x, y + flow y), in pixels of the picture.

    The field may be coarser than the picture: it is drawn smooth over it. Beyond an edge, the edge goes on.
    """
    height, width = pictures.shape[-2:]
    x, y = (
        (2 * torch.arange(size, device=pictures.device, dtype=pictures.dtype) + 1) / size - 1
        for size in (width, height)
    )
    still = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    moved = F.interpolate(flow, size=(height, width), mode="bilinear").movedim(1, -1)
    grid = still + moved * moved.new_tensor([2 / width, 2 / height])
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
