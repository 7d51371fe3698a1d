"""The parts of the 15 B model on the device: each is loaded when a stage needs it, and kept or let go as planned."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from happyhorse.errors import OutOfMemory

Module = TypeVar("Module", bound=nn.Module)
Loader = Callable[[], nn.Module]
_NO_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "GET was unable to find an engine to execute this computation",  # cuDNN, when no engine's workspace fits
)


class Parts:
    """Loads parts by name. Those in `kept` stay on the device; the others go when their stage is over.

    Of the clip in hand: `planned` is what was foreseen, in words, for the message when it does not hold; pictures are to
    be drawn in so many `strips`.
    """

    def __init__(self, loaders: Mapping[str, Loader], *, kept: frozenset[str] = frozenset()) -> None:
        self.loaders = dict(loaders)
        self.kept = kept
        self.planned = ""
        self.strips = 1
        self.loaded: dict[str, nn.Module] = {}

    @contextmanager
    def use(self, name: str, kind: type[Module]) -> Iterator[Module]:
        """Give a part to a stage. Raises: WeightsMissing as its loader; OutOfMemory when it does not fit."""
        try:
            if name not in self.loaded:
                _return_memory()  # of what the stage before has let go: its module lived until it was over
                self.loaded[name] = self.loaders[name]()
            module = self.loaded[name]
            assert isinstance(module, kind)
            yield module
        except RuntimeError as err:
            if not is_out_of_memory(err):
                raise
            self.release()
            said = str(err).split(". ")[0]
            planned = f"; planned: {self.planned}" if self.planned else ""
            raise OutOfMemory(
                f"the device has too little memory for {name} at this size: {said}{planned}"
            ) from err
        finally:
            if name not in self.kept:
                self.loaded.pop(name, None)
                _return_memory()

    def drop(self, names: Iterable[str]) -> None:
        """Let some parts go."""
        for name in names:
            self.loaded.pop(name, None)
        _return_memory()

    def release(self) -> None:
        """Let every part go."""
        self.drop(list(self.loaded))


def is_out_of_memory(err: RuntimeError) -> bool:
    """Whether a GPU had too little memory: torch's allocator says so, libraries of kernels in words of their own."""
    return isinstance(err, torch.OutOfMemoryError) or any(word in str(err) for word in _NO_MEMORY)


def _return_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        if hasattr(torch.accelerator, "empty_host_cache"):  # torch 2.11 may not have it
            torch.accelerator.empty_host_cache()  # else page-locked memory stays locked
