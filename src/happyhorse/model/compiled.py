"""Layers compiled: norm, rotation, gate and activation become kernels of their own between matrix products and attention.

What lies between two attentions is compiled, and attention is not: so its windows, its exchange between processes and the
slices of an MLP stay as they are, and a network has seven compiled functions, not one for each layer. Lengths of sequences
are symbols in them, so that another prompt or size compiles nothing anew. Torch keeps what it compiled in a folder
(`settings.keep_compiled`, `compile_cache.py`); a process that finds it there only traces.

Axes: b batch, n packed rows, d model width.
"""

from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

import torch
import torch._inductor.config
from jaxtyping import Float
from torch import Tensor, nn

from happyhorse.errors import EngineError
from happyhorse.model.compile_cache import keep_compiled, working_copy
from happyhorse.model.fp8 import put
from happyhorse.model.transformer import MLP, Attention, Geometry, Sizes, Transformer

Given = ParamSpec("Given")
Result = TypeVar("Result")
RECOMPILE_LIMIT = 64
"""Of one function: kinds of layers, times precisions, times ways of keeping weights."""


class CompiledAttention(nn.Module):
    """Stands for an Attention."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, rows: Float[Tensor, "b n d"], geometry: Geometry) -> Float[Tensor, "b n d"]:
        own, sizes = self.attention, geometry.sizes
        q, k, v, gate = compiled(Attention.project)(own, rows, sizes, geometry.sin, geometry.cos)
        return compiled(Attention.merge)(own, own.mix(q, k, v, geometry), gate, sizes)


class CompiledMLP(nn.Module):
    """Stands for an MLP."""

    def __init__(self, mlp: MLP) -> None:
        super().__init__()
        self.mlp = mlp

    def forward(self, rows: Float[Tensor, "b n d"], sizes: Sizes) -> Float[Tensor, "b n d"]:
        return compiled(MLP.forward)(self.mlp, rows, sizes)


def compile_layers(model: Transformer) -> None:
    """Compile the layers of a network at their first calls; its slices, FP8 products and slots are to be there, or come after."""
    for name, module in list(model.named_modules()):
        if isinstance(module, Attention):
            put(model, name, CompiledAttention(module))
        elif isinstance(module, MLP):
            put(model, name, CompiledMLP(module))


@cache
def compiled(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Return a function compiled at its first call, once for all layers. That raises EngineError where it cannot be."""
    fast = torch.compile(function, dynamic=True, fullgraph=True)

    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        working_copy()
        _set_up_thread()
        before = _num_compiled()
        try:
            found = fast(*args, **kwargs)
        except (torch._dynamo.exc.TorchDynamoException, torch._dynamo.exc.FailOnRecompileLimitHit) as err:
            why = getattr(err, "inner_exception", err)  # the compiler's own, behind torch's
            said = (str(why).strip() or repr(why)).splitlines()[0]
            raise EngineError(
                f"the network's layers could not be compiled: {said}; they also run without HAPPYHORSE_SPEEDUPS"
            ) from err
        if _num_compiled() != before:
            keep_compiled()
        return found

    return run


def _set_up_thread() -> None:
    """Torch's settings are those of one thread, and each job may run in another."""
    if torch._dynamo.config.recompile_limit < RECOMPILE_LIMIT:  # noqa: PLR1730 - written only where it differs
        torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    if torch._inductor.config.cpp_cache_precompile_headers:
        # Another file that a killed compiler leaves cut short, in a place that torch chooses by itself; only CPU kernels read it.
        torch._inductor.config.cpp_cache_precompile_headers = False


def _num_compiled() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]
