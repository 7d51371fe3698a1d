"""Progress of a run from progress of its stages: one fraction that never goes back, and an ETA from measured time."""

from __future__ import annotations

import time
from collections.abc import Mapping

from happyhorse.engines.base import STAGES, OnProgress, Progress, Stage


class Reporter:
    """Tells a caller how far a run is; `shares` say how much of the run each stage takes and sum to 1."""

    def __init__(self, on_progress: OnProgress, shares: Mapping[str, float]) -> None:
        self._on_progress = on_progress
        self._start: tuple[float, float] | None = None
        self._furthest = 0.0
        self._spans: dict[str, tuple[float, float]] = {}
        begin = 0.0
        for stage in STAGES:
            self._spans[stage] = (begin, shares.get(stage, 0.0))
            begin += shares.get(stage, 0.0)

    def say(self, stage: Stage, step: int, num_steps: int, *, preview: bytes | None = None) -> None:
        """Report `step` of `num_steps` of a stage as done. Raises: what the caller's callback raises."""
        begin, share = self._spans[stage]
        # Work that is done once more, after memory ran out, waits where the first attempt ended.
        fraction = self._furthest = max(self._furthest, min(1.0, begin + share * step / max(1, num_steps)))
        now = time.monotonic()
        self._start = self._start or (now, fraction)  # the second half of a run begins in its middle
        spent_s, done = now - self._start[0], fraction - self._start[1]
        eta_s = spent_s * (1 - fraction) / done if done > 0.02 else None
        self._on_progress(Progress(stage, step, num_steps, fraction, eta_s, preview))
