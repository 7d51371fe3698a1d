"""Pictures on their way to the file: in order, whole, and each handed over only when the next has been asked for."""

from collections.abc import Iterator

import numpy as np
import torch

from happyhorse.model.ahead import on_host


def test_the_next_window_is_asked_for_before_the_last_is_given() -> None:
    said = []

    def draw() -> Iterator[torch.Tensor]:
        for number in range(3):
            said.append(f"draw {number}")
            yield torch.full((2, 4, 6, 3), number, dtype=torch.uint8)

    for window in on_host(draw()):
        assert isinstance(window, np.ndarray)
        assert window.shape == (2, 4, 6, 3)
        said.append(f"write {window[0, 0, 0, 0]}")
    assert said == ["draw 0", "draw 1", "write 0", "draw 2", "write 1", "write 2"]


def test_no_window_gives_none() -> None:
    assert list(on_host([])) == []
