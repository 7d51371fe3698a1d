"""Pictures brought to the host one window late, so that a GPU draws the next while the last is being encoded.

It matters for GPUs alone. The encoder has a thread of its own (`media/write.py`), but lets eight frames wait and a window has 28:
without this a GPU would have nothing to do while most of a window is encoded. A CPU has drawn a window before it can be handed over,
and takes the same time with and without. Measured with a stand-in for a GPU, 1.5 s a window, four windows of 960x544 encoded on a
busy core: 7.3 s instead of 10.8 s; at 0.5 s a window encoding decides, and nothing is gained. Not measured on a GPU.

Axes: f pictures of a window, h w height and width in pixels.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor


def on_host(windows: Iterable[UInt8[Tensor, "f h w 3"]]) -> Iterator[NDArray[np.uint8]]:
    """Yield each window once the device has been asked for the one after it: a GPU then computes while the caller works."""
    before: Callable[[], NDArray[np.uint8]] | None = None
    for window in windows:
        copied = _copied(window)
        if before is not None:
            yield before()
        before = copied
    if before is not None:
        yield before()


def _copied(window: UInt8[Tensor, "f h w 3"]) -> Callable[[], NDArray[np.uint8]]:
    """Have a window copied after all that the GPU has been asked for until now; return what waits for it."""
    if not window.is_cuda:
        return window.numpy
    host = window.to("cpu", non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def wait() -> NDArray[np.uint8]:
        done.synchronize()
        return host.numpy()

    return wait
