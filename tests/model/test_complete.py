"""What is chosen for an open prompt: decided by the seed, never against the prompt, and understood by the shipped reader."""

from importlib import resources
from pathlib import Path

import pytest

from happyhorse.model.complete import choose, complete, said
from happyhorse.model.text import TextEncoder

PROMPTS = (
    'A woman speaks to camera: "Hello there."',
    'A man with ginger hair and a green jacket says "hi".',
    "A baker laughs",
    "Close-up of a girl in a yellow hoodie on a beach at sunset",
    "An old man with a white beard and glasses, night street, rain, slow push-in",
    "一个女人在咖啡馆里说话",
)


@pytest.fixture(scope="module")
def reader():
    return TextEncoder.load(Path(str(resources.files("happyhorse") / "weights/nano/text.safetensors")))


def read(reader, prompt):
    return {name: found.value for name, found in reader.read([prompt])[0].items()}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_reader_understands_what_was_chosen_and_what_was_said_stays(reader, prompt):
    told = read(reader, prompt)
    for seed in range(12):
        chosen = choose(told, seed)
        assert not {name for name in chosen if told[name] is not None}
        again = read(reader, complete(prompt, chosen, told))
        assert {name: again[name] for name in chosen} == chosen
        assert all(again[name] == value for name, value in told.items() if value is not None)


def test_every_value_of_every_attribute_can_be_said(reader):
    for name, values in reader.config.attributes:
        if name == "speaks":
            continue
        for value in values:
            if name == "subject" and not value.endswith(" ball"):
                continue  # a person is said by all else, a ball by its colour
            gender = {"beard": "man", "gender": value}.get(name, "woman")
            told = {"gender": gender, "garment": "sweater", "top_colour": "blue", name: None}
            prompt = (
                f"A {gender} in a blue sweater."
                if name not in ("garment", "top_colour", "gender", "subject")
                else ""
            )
            assert read(reader, complete(prompt, {name: value}, told))[name] == value


def test_the_seed_decides_and_a_word_more_changes_that_attribute_alone():
    open_prompt = dict.fromkeys(("gender", "skin", "hair_colour", "top_colour", "garment", "time"))
    first = choose(open_prompt, 7)
    assert choose(open_prompt, 7) == first
    assert len({tuple(choose(open_prompt, seed).items()) for seed in range(20)}) > 15
    narrower = choose({**open_prompt, "hair_colour": "pink"}, 7)
    assert narrower == {name: value for name, value in first.items() if name != "hair_colour"}


def test_women_get_no_word_on_beards_and_a_full_prompt_none_at_all():
    assert "beard" not in choose({"gender": "woman"}, 1)
    assert choose({"gender": "man"}, 1)["beard"] == "no"
    full = {**choose({"gender": "man"}, 1), "gender": "man"}
    assert choose(full, 2) == {}
    assert complete("As it is", {}, full) == "As it is"


def test_a_colour_that_was_said_goes_with_the_garment_that_was_chosen():
    reading = {"top_colour": "orange", "garment": None}
    assert said({"garment": "shirt"}, reading) == "an orange shirt"
    assert complete("Someone", {"garment": "shirt"}, reading) == "Someone. An orange shirt."


def test_a_ball_without_a_colour_gets_one_and_nothing_of_a_person(reader):
    told = read(reader, "A ball bounces on a table.")
    chosen = {seed: choose(told, seed) for seed in range(20)}
    assert {name for one in chosen.values() for name in one} == {
        "subject",
        "environment",
        "time",
        "weather",
        "shot",
        "move",
    }
    assert len({one["subject"] for one in chosen.values()}) > 3
    assert "subject" not in choose(read(reader, "A red ball bounces on a table."), 0)
    again = read(reader, complete("A ball bounces on a table.", chosen[0], told))
    assert {name: again[name] for name in chosen[0]} == chosen[0]
