"""What a training run says of itself now and then: mean losses since the last time, by loss and by kind of sample."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Report:
    """Where a run stands. `losses` are means since the last report: by loss (video, audio, mouth), then by kind of sample."""

    step: int
    minutes: float
    stage: int
    losses: Mapping[str, Mapping[str, float]]
    step_s: float
    num_drawn: Mapping[str, int]

    def line(self) -> str:
        """The report as one line of text."""
        parts = [f"{self.minutes:6.1f} min, step {self.step}, stage {self.stage}, {self.step_s:.2f} s a step"]
        for name, by_kind in self.losses.items():
            parts.append(
                f"{name} " + " ".join(f"{kind} {loss:.3f}" for kind, loss in sorted(by_kind.items()))
            )
        parts.append("drawn " + " ".join(f"{kind} {count}" for kind, count in sorted(self.num_drawn.items())))
        return "; ".join(parts)


class Tally:
    """Gathers losses between two reports."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        self._count, self._started = 0, time.monotonic()

    def add(self, kind: str, losses: Mapping[str, Tensor]) -> None:
        """Note one step's losses on a batch of this kind."""
        self._count += 1
        for name, loss in losses.items():
            self._values[name][kind].append(loss.detach())  # read when it is told: a GPU need not wait

    def report(self, step: int, minutes: float, stage: int, num_drawn: Mapping[str, int]) -> Report:
        """Return the means of what was added."""
        losses = {
            name: {kind: float(torch.stack(values).mean()) for kind, values in by_kind.items()}
            for name, by_kind in self._values.items()
        }
        return Report(
            step, minutes, stage, losses, (time.monotonic() - self._started) / self._count, num_drawn
        )
