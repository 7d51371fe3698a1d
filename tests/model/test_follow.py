"""Which networks a follower keeps: the two of a clip in arrangements that keep them, one at a time in others."""

import pytest
from strategies import TINY, random_sequence

from happyhorse.model.follow import follow
from happyhorse.model.parallel import Call, Ranks

SEQUENCE = random_sequence(TINY)


class Scripted(Ranks):
    """Calls that are known beforehand, from no other process."""

    def __init__(self, calls: list[Call]) -> None:
        self.waiting = calls

    def receive(self) -> Call | None:
        return self.waiting.pop(0) if self.waiting else None


@pytest.mark.parametrize(
    ("calls", "loads"),
    [
        ("kept:a kept:b kept:a kept:b", "a b"),
        ("kept:a kept:b kept:c kept:b kept:a", "a b c a"),
        ("swapped:a swapped:a swapped:b swapped:a", "a b a"),
        ("kept:a kept:b lean:a lean:b lean:a kept:a", "a b a b a"),
    ],
)
def test_networks_are_loaded_no_more_often_than_they_must_be(calls: str, loads: str) -> None:
    asked = [tuple(call.split(":")) for call in calls.split()]
    loaded, ran, alive = [], [], []

    class Network:
        def __init__(self, name: str) -> None:
            self.name = name
            alive.append(name)

        def __call__(self, sequence: object) -> None:
            assert sequence is SEQUENCE
            ran.append(self.name)

        def __del__(self) -> None:
            alive.remove(self.name)

    def load(name: str, _: str) -> Network:
        assert len(alive) < 2
        loaded.append(name)
        return Network(name)

    follow(load, Scripted([Call(name, kept, SEQUENCE) for kept, name in asked]), kept={"kept", "lean"})
    assert ran == [name for _, name in asked]
    assert loaded == loads.split()
