"""A trainer's own state on disk: weights, averages and optimizer moments in one safetensors file, replaced atomically."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer


def save_state(
    path: Path,
    *,
    models: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    numbers: Mapping[str, int | float],
) -> None:
    """Write everything that `load_state` needs to go on; the old file stays whole until the new one is complete."""
    tensors: dict[str, Tensor] = {}
    for name, model in models.items():
        tensors |= {f"model/{name}/{key}": value for key, value in model.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{name}/{index}/{key}": torch.as_tensor(value) for key, value in moments.items()
            }
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(tensors, temporary, metadata={"numbers": json.dumps(dict(numbers))})
    temporary.replace(path)


def load_state(
    path: Path, *, models: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
) -> dict[str, int | float]:
    """Read a file of `save_state` into the given objects; return its numbers."""
    states: dict[str, dict[str, Tensor]] = {name: {} for name in models}
    moments: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimizers}
    with safe_open(path, framework="pt") as file:
        numbers: dict[str, int | float] = json.loads(file.metadata()["numbers"])
        for key in file.keys():  # noqa: SIM118 - not a mapping
            kind, name, rest = key.split("/", 2)
            if kind == "model" and name in states:
                states[name][rest] = file.get_tensor(key)
            elif kind == "optimizer" and name in moments:
                index, moment = rest.split("/", 1)
                moments[name].setdefault(int(index), {})[moment] = file.get_tensor(key)
    for name, model in models.items():
        model.load_state_dict(states[name])
    for name, optimizer in optimizers.items():
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments[name], "param_groups": groups})
    return numbers
