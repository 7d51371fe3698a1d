"""Drawing while training: worker processes make samples, a pool keeps the newest and hands out batches.

Nothing is stored on disk: a sample is a pure function of its seed, and the pool is passed over several times while new
samples keep arriving.
"""

import multiprocessing
import os
import queue
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np

Sample = TypeVar("Sample")

WORKER_NICENESS = 5
CHUNK = 16
"""Seeds that a worker draws at a time, so that prompts can be encoded in batches."""


def _work(
    make: Callable[[range], Iterable[Sample]],
    first_seed: int,
    stride: int,
    samples: "multiprocessing.Queue[Sample]",
) -> None:
    import torch  # noqa: PLC0415 - only to stay on one core

    torch.set_num_threads(1)
    os.nice(WORKER_NICENESS)
    samples.cancel_join_thread()  # else a worker whose trainer is gone waits for a reader at its end
    parent = os.getppid()
    seed = first_seed
    while True:
        for sample in make(range(seed, seed + CHUNK)):
            while True:
                if os.getppid() != parent:  # a killed trainer leaves no workers behind
                    return
                with suppress(queue.Full):
                    samples.put(sample, timeout=1.0)
                    break
        seed += stride


class DrawnPool(Generic[Sample]):
    """Samples of one kind: `make(seeds)` runs in worker processes, `batch` draws from the newest `capacity` of them.

    `make` must be picklable; samples of one batch share their `key`. Each sample is used about `passes` times in all, so that
    drawing takes no more of the machine than it must. Use as a context manager: leaving it ends the workers.
    """

    def __init__(
        self,
        make: Callable[[range], Iterable[Sample]],
        *,
        key: Callable[[Sample], object],
        capacity: int,
        passes: float = 1.0,
        first_seed: int = 0,
        workers: int = 1,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._samples: multiprocessing.Queue[Sample] = context.Queue(maxsize=CHUNK * workers)
        self._key = key
        self._capacity = capacity
        self._passes = passes
        self._kept: dict[object, deque[Sample]] = {}
        self.num_drawn = self.num_used = 0
        self._workers: list[SpawnProcess] = [
            context.Process(
                target=_work,
                args=(make, first_seed + CHUNK * number, CHUNK * workers, self._samples),
                daemon=True,
            )
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def __enter__(self) -> "DrawnPool[Sample]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()
            worker.join()

    def _collect(self, *, wait: bool) -> None:
        """Take what is ready, but no more than training needs: a full queue puts the worker to sleep."""
        while wait or self.num_drawn * self._passes <= self.num_used:
            try:
                sample = self._samples.get(timeout=1.0 if wait else 0.0)
            except queue.Empty:
                if not all(worker.is_alive() for worker in self._workers):
                    raise RuntimeError("a drawing process ended; see its messages above") from None
                if not wait:
                    return
                continue
            kept = self._kept.setdefault(self._key(sample), deque(maxlen=self._capacity))
            kept.append(sample)
            self.num_drawn += 1
            wait = False

    def batch(self, size: int, rng: np.random.Generator) -> list[Sample]:
        """Return `size` samples of one key; keys with more samples are chosen more often. Waits for the first samples."""
        self._collect(wait=False)
        while not any(len(kept) >= size for kept in self._kept.values()):
            self._collect(wait=True)
        ready = [kept for kept in self._kept.values() if len(kept) >= size]
        weights = np.array([len(kept) for kept in ready], dtype=float)
        self.num_used += size
        kept = ready[int(rng.choice(len(ready), p=weights / weights.sum()))]
        return [kept[int(i)] for i in rng.choice(len(kept), size, replace=False)]
