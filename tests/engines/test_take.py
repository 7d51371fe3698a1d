"""A take: what is written is read back, and what does not belong is refused."""

import numpy as np
import pytest
from safetensors.numpy import save

from happyhorse.engines.take import Take
from happyhorse.errors import EngineError

LATENTS = {"video": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "audio": np.zeros((1, 4), np.float32)}
TAKE = Take("nano", "abc", LATENTS, {"prompt": "a café"})


@pytest.mark.parametrize("take", [TAKE, Take("testcard", "")])
def test_bytes_and_back(take):
    read = Take.from_bytes(take.to_bytes())
    assert read.to_bytes() == take.to_bytes()
    assert (read.engine, read.weights_hash, read.notes) == (take.engine, take.weights_hash, take.notes)
    assert {name: value.tolist() for name, value in read.latents.items()} == {
        name: value.tolist() for name, value in take.latents.items()
    }


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 8, b"no take", TAKE.to_bytes()[:-3], TAKE.to_bytes()[:40], save(LATENTS)]
)
def test_what_is_no_take_is_refused(data):
    with pytest.raises(EngineError, match="the take cannot be read"):
        Take.from_bytes(data)


def test_other_weights_and_engines_are_refused():
    TAKE.check(engine="nano", weights_hash="abc")
    with pytest.raises(EngineError, match=r"made by weights abc; the weights here are def"):
        TAKE.check(engine="nano", weights_hash="def")
    with pytest.raises(EngineError, match=r"engine 'nano'; 'magihuman' cannot"):
        TAKE.check(engine="magihuman", weights_hash="abc")
