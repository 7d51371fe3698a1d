"""A GPU that is pretended on a CPU: each tensor says where it would be, and what mixes devices is refused as CUDA would.

Values are the CPU's. What this cannot see: kernels, streams, memory.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves, tree_map

from happyhorse.model import checkpoint, layouts

GPU, CPU, META = torch.device("cuda", 0), torch.device("cpu"), torch.device("meta")
_COPIES = {"copy_", "__set__"}
"""From anywhere to where the first argument is."""
_INDEXES = {"__getitem__", "__setitem__"}
"""With indices from anywhere."""
_ASKS = {"_parse_to", "_has_compatible_shallow_copy_type"}
"""Of devices or layouts, and makes no tensor."""


class PretendedGpu(TorchFunctionMode):
    """While it is entered, `GPU` can be used like a device; `calls` counts the operations that took a tensor from there."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.calls = 0
        make = Tensor._make_subclass  # of parameters; modes are not asked for it
        monkeypatch.setattr(Tensor, "_make_subclass", lambda *a, **k: placed(make(*a, **k), place(a[1])))
        autocast = torch.autocast
        monkeypatch.setattr(torch, "autocast", lambda _, *how, **named: autocast(CPU.type, *how, **named))
        is_enabled = torch.is_autocast_enabled
        monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: is_enabled(CPU.type))
        monkeypatch.setattr(torch.amp, "is_autocast_available", lambda _: True)
        monkeypatch.setattr(torch, "Generator", _Generator)
        monkeypatch.setattr(torch, "get_device_module", lambda _: torch.cpu)
        monkeypatch.setattr(torch.cuda, "Event", _Event)
        monkeypatch.setattr(layouts, "mapped", _mapped)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if func == Tensor.device.__get__:
            return place(args[0])
        if func == Tensor.is_cuda.__get__:
            return place(args[0]) == GPU
        if name in _ASKS or func is torch.device:
            return func(*args, **kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = {place(each) for each in given if each.ndim or place(each) == GPU} - {META}
        self.calls += GPU in places
        asked = _asked(name, args, kwargs)
        if (len(places) > 1 and name not in _COPIES | _INDEXES and asked is None) or (
            name == "numpy" and GPU in places
        ):
            held = ", ".join(f"{tuple(each.shape)} on {place(each)}" for each in given)
            raise RuntimeError(f"{resolve_name(func) or name} cannot take {held}")
        kwargs.pop("pin_memory", None)
        found = func(*tree_map(_really, args), **tree_map(_really, kwargs))
        if name == "__set__" and isinstance(args[1], Tensor):
            placed(args[0], place(args[1]))
        if name in _COPIES | _INDEXES:
            asked = place(args[0])
        where = asked or (GPU if GPU in places else CPU)
        return tree_map(lambda leaf: _at(leaf, where, given) if isinstance(leaf, Tensor) else leaf, found)


def place(tensor):
    """Where a tensor says that it is."""
    with torch._C.DisableTorchFunction():
        return tensor.__dict__.get("_place", CPU) if tensor.device == CPU else tensor.device


def placed(tensor, device):
    """Have a tensor say that it is there."""
    tensor._place = device
    return tensor


def _asked(name, args, kwargs):
    """The device that a call names, if it does."""
    if name == "cpu":
        return CPU
    named = kwargs.get("device", args[1] if name in ("to", "type_as") and len(args) > 1 else None)
    if isinstance(named, Tensor):
        return place(named)
    if not isinstance(named, str | torch.device):
        return None
    return GPU if torch.device(named).type == GPU.type else torch.device(named)


def _at(found, where, given):
    if any(found is each for each in given) and place(found) != where:
        found = found.detach().clone()  # the CPU had nothing to move
    return placed(found, where)


def _really(leaf):
    if isinstance(leaf, str | torch.device) and str(leaf).startswith("cuda"):
        return CPU
    return leaf


@contextmanager
def _mapped(path, *, device="cpu"):
    """Read on the CPU."""
    with checkpoint.mapped(path) as opened:
        yield SimpleNamespace(get_tensor=lambda name: opened.get_tensor(name).to(device))


class _Generator(torch.Generator):
    """Draws on the CPU."""

    def __new__(cls, device=CPU):
        made = super().__new__(cls, CPU)
        made.pretended = torch.device(device)
        return made

    @property
    def device(self):
        return self.pretended


class _Event:
    """The CPU has done what it was asked when it returns."""

    def record(self):
        pass

    def synchronize(self):
        pass
