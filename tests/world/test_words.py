"""The words of the world: every value has some, and planning reads the list that belongs to them."""

from importlib import resources

from happyhorse.world.scene import ATTRIBUTES
from happyhorse.world.words.known import LEXICON, NEAREST, vocabulary


def test_every_value_has_words() -> None:
    for name in ATTRIBUTES.keys() - {"subject"}:
        table = LEXICON[name][0]
        assert set(ATTRIBUTES[name]) == set(table), name
        assert all(table.values()), name


def test_what_stands_in_is_a_value_of_the_world() -> None:
    for name, value in NEAREST.values():
        assert value in ATTRIBUTES[name]


def test_the_vocabulary_names_what_stands_in() -> None:
    lines = vocabulary()
    assert {"ginger", "jacket", "beach", "sunset", "the"} <= set(lines)
    assert "restaurant\tenvironment=cafe" in lines
    assert not {"dragon", "spaceship", "restaurant", "horse"} & set(lines)


def test_planning_reads_the_vocabulary_of_these_words() -> None:
    stored = (resources.files("happyhorse") / "model" / "vocabulary.txt").read_text(encoding="utf-8")
    assert stored == "\n".join(vocabulary()) + "\n", "write these lines to model/vocabulary.txt"
