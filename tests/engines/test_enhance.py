# ruff: noqa: RUF001  the punctuation of other languages is meant
"""The prompt in the network's own form: nothing lost of what is said, nothing that the network was taught to avoid."""

import pytest

from happyhorse.engines.enhance import NO_SOUND, enhance
from happyhorse.prompt.read import read_prompt

PROMPT = (
    'A woman with red hair stands in a kitchen and says "Good morning, everyone." '
    "Slow dolly in, warm light, soft rain outside."
)


def enhanced(prompt: str) -> str:
    return enhance(prompt, lines=read_prompt(prompt).lines)


def test_it_has_a_paragraph_of_the_trained_length_and_two_blocks() -> None:
    paragraph, dialogue, sound = enhanced(PROMPT).split("\n\n")
    assert 150 <= len(paragraph.split()) <= 200
    assert paragraph.startswith("A woman with red hair, in a kitchen")
    assert paragraph.index("Stands") < paragraph.index("Good morning") < paragraph.index("camera is static")
    assert dialogue == 'Dialogue:\n<A woman with red hair, English>: "Good morning, everyone."'
    assert sound.startswith("Background Sound:\n<")


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT,
        'Subject: a man in a coat. Action: he says "Hi there". Camera: slow pan left. Audio: rain.',
        'A man says "Yes." Then a woman says "No, never."',
    ],
)
def test_every_line_stands_exactly_twice(prompt: str) -> None:
    text = enhanced(prompt)
    for line in read_prompt(prompt).lines:
        assert text.count(f'"{line.text}"') == 2


def test_the_camera_does_not_move() -> None:
    assert "dolly" not in enhanced(PROMPT)
    assert "pan left" not in enhanced("Subject: a man. Camera: slow pan left.")
    assert "Close-up of the face." in enhanced("Subject: a man. Camera: close-up of the face.")


def test_wide_characters_are_spaced_and_otherwise_unchanged() -> None:
    text = enhanced("一位女士在厨房里说：“早上好，Tom。” 镜头固定。")
    assert text.count('"早 上 好 ， Tom 。"') == 2
    assert "Mandarin>" in text


def test_silence_is_said_in_the_fixed_words_and_sound_in_its_own() -> None:
    assert enhanced("Subject: a man.").endswith(f"Background Sound:\n<{NO_SOUND}>")
    assert enhanced("Subject: a man. Audio: rain on a tin roof.").endswith(
        "Background Sound:\n<rain on a tin roof>"
    )


def test_a_prompt_that_has_the_form_is_left_alone() -> None:
    form = 'A man.\n\nDialogue:\n<a man, English>: "Hi"\n\nBackground Sound:\n<rain>'
    assert enhanced(form) == form


@pytest.mark.parametrize("prompt", ["", "...", "🐎", "a"])
def test_almost_nothing_still_gives_the_form(prompt: str) -> None:
    text = enhanced(prompt)
    assert "camera is static" in text
    assert "Background Sound:" in text
