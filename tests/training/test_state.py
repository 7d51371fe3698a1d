"""A trainer's state: written whole or not at all, and read back so that training goes on as if nothing had happened."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from happyhorse.training.state import load_state, save_state


def make(seed):
    torch.manual_seed(seed)
    model = nn.Linear(6, 4)
    return model, {"adamw": AdamW([model.bias], lr=0.1), "muon": Muon([model.weight], lr=0.1)}


def advance(model, optimizers, steps):
    for i in range(steps):
        x = torch.linspace(-1, 1, 6) * (i + 1)
        model(x).square().sum().backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()


def test_training_after_a_reload_equals_training_without_one(tmp_path):
    path = tmp_path / "state.safetensors"
    model, optimizers = make(0)
    advance(model, optimizers, 3)
    save_state(path, models={"model": model}, optimizers=optimizers, numbers={"step": 3})
    advance(model, optimizers, 2)
    other, others = make(1)
    assert load_state(path, models={"model": other}, optimizers=others) == {"step": 3}
    advance(other, others, 2)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other.bias, model.bias)


def test_a_failed_write_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "state.safetensors"
    model, optimizers = make(0)
    save_state(path, models={"model": model}, optimizers=optimizers, numbers={"step": 1})
    before = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("happyhorse.training.state.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_state(path, models={"model": model}, optimizers=optimizers, numbers={"step": 2})
    assert path.read_bytes() == before
