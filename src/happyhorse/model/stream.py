"""Blocks whose weights stay in host memory: two at a time are on the device, the next one copied while this one computes.

Copies have a stream of their own. Before a layer runs, its stream waits for the copies made so far, of which its own is the
last; the copy of the layer after it waits for what has been computed so far, so for the layer whose slot it takes. After the
last layer comes the first: the next pass finds it there. Arithmetic is the resident network's, to the last bit.

Axes: b batch, n packed rows, d model width.
"""

import logging
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from happyhorse.model.fp8 import put
from happyhorse.model.transformer import Geometry, Transformer

ALIGNMENT = 256
"""Bytes: where tensors in one piece of memory begin; what kernels want for their widest loads."""
_BLOCK = "block"
_log = logging.getLogger("happyhorse.magihuman")


def load_on_host(
    model: Transformer, tensors: Iterable[tuple[str, Tensor]], *, device: torch.device, pinned: bool
) -> Transformer:
    """Fill a network of the meta device (`layouts.open_network`): its blocks in host memory, all else on `device`.

    With `pinned` blocks go into page-locked memory, which is copied from at full speed and beside computing; without it
    they stay as they are given: mapped from their files, where these have the right dtype.
    """
    page_locked = _page_locked(model.block.state_dict(prefix=f"{_BLOCK}.")) if pinned else {}
    placed: dict[str, Tensor] = {}
    for name, tensor in tensors:
        if not name.startswith(f"{_BLOCK}."):
            placed[name] = tensor.to(device)
        else:
            placed[name] = page_locked[name].copy_(tensor) if page_locked else tensor.cpu()
    model.load_state_dict(placed, strict=True, assign=True)
    return model.eval()


class Slots:
    """Two places on the device for one layer each, and the stream that fills them. Networks that take turns share them."""

    def __init__(self, num_bytes: int, device: torch.device) -> None:
        self.streams: Any = torch.get_device_module(device)
        self.copying = self.streams.Stream()
        # Born on the stream that writes them: memory that is let go waits there for a copy under way.
        with torch.inference_mode(mode=False), self.streams.stream(self.copying):
            self.memory = [torch.empty(num_bytes, dtype=torch.uint8, device=device) for _ in range(2)]
        self.left: tuple[weakref.ref[nn.Module], int] | None = None
        """Whose first layer the last pass has left, and in which of the two."""

    @classmethod
    def of(cls, model: Transformer, device: torch.device) -> "Slots":
        """Return slots for the largest layer of a network, which may be on the meta device."""
        return cls(slot_bytes(model), device)


def slot_bytes(model: Transformer) -> int:
    """What the largest layer of a network takes in a slot."""
    return max(_packed_bytes(layer.state_dict()) for layer in model.block.layers)


def stream_blocks(model: Transformer, slots: Slots) -> None:
    """Let the blocks of a network, in host memory, run from slots."""
    put(model, _BLOCK, StreamedBlock(list(model.block.layers), slots))


class StreamedBlock(nn.Module):
    """Stands for `transformer.Block`. The layers, whose weights are in host memory, are not part of its state."""

    def __init__(self, layers: Sequence[nn.Module], slots: Slots) -> None:
        super().__init__()
        self._layers, self._slots = tuple(layers), slots
        self._weights = [layer.state_dict() for layer in layers]
        self._in_slots = [[_views(weights, slot) for slot in slots.memory] for weights in self._weights]

    def forward(self, rows: Float[Tensor, "b n d"], geometry: Geometry) -> Float[Tensor, "b n d"]:
        slot = self._begin()
        for index, layer in enumerate(self._layers):
            self._slots.streams.current_stream().wait_stream(self._slots.copying)
            self._copy((index + 1) % len(self._layers), 1 - slot)
            rows = functional_call(layer, self._in_slots[index][slot], (rows, geometry))
            slot = 1 - slot
        self._slots.left = weakref.ref(self), slot
        return rows

    def _begin(self) -> int:
        """Return the slot with the first layer, or the one that is being filled with it."""
        left, self._slots.left = self._slots.left, None  # a pass that fails leaves nothing to rely on
        if left is not None and left[0]() is self:
            return left[1]
        self._copy(0, 0)
        return 0

    def _copy(self, index: int, slot: int) -> None:
        """Bring a layer into a slot once all that was asked for until now is computed."""
        self._slots.copying.wait_stream(self._slots.streams.current_stream())
        with self._slots.streams.stream(self._slots.copying):
            for name, view in self._in_slots[index][slot].items():
                view.copy_(self._weights[index][name], non_blocking=True)


def page_locked_bytes(num_bytes: int) -> int:
    """What torch locks for a piece of so many bytes: the next power of two."""
    return 1 << (num_bytes - 1).bit_length()


def _page_locked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return page-locked memory for tensors like these, in one piece; none where the system does not give so much."""
    try:
        memory = torch.empty(_packed_bytes(tensors), dtype=torch.uint8, pin_memory=True, device="cpu")
    except RuntimeError as err:  # WSL, for one, locks less than half of what is free
        _log.warning("weights stay in their files, which is slower: %s", str(err).splitlines()[0])
        return {}
    return _views(tensors, memory)


def _packed_bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(map(_aligned_bytes, tensors.values()))


def _aligned_bytes(tensor: Tensor) -> int:
    return -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT


def _views(like: Mapping[str, Tensor], memory: Tensor) -> dict[str, Tensor]:
    """Cut a piece of memory into tensors of these shapes and dtypes."""
    found, start = {}, 0
    for name, tensor in like.items():
        found[name] = memory[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        start += _aligned_bytes(tensor)
    return found
