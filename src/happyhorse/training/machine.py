"""What a training run computes on."""

from dataclasses import dataclass

import torch

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Machine:
    """The device of what learns, and how many CPU processes draw each kind of its samples.

    What is `compiled` needs a C++ compiler on a CPU and takes minutes to start; then the transformer's steps are 1.6 times as fast
    (two cores with AMX).
    """

    device: torch.device = CPU
    workers: int = 1
    compiled: bool = False


PLAIN = Machine()
