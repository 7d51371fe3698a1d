# ruff: noqa: RUF001  the punctuation of other languages is meant
"""The prompt in the network's own form: nothing lost of what is said, nothing that the network was taught to avoid."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


TALK = [
    ('A woman in a red coat in a kitchen says "Hello there, my friend!" Static shot.', "A woman", "Static shot"),
    ('An old man in a garden. He says: "I grew these roses." Birds sing.', "An old man", "He says"),
    ('A woman at a window, smiling, and says "I missed you." Warm evening light', "A woman", "Warm evening light"),
    ("Ein Mann sagt: „Guten Morgen, wie geht es dir?“ in einer Küche.", "Ein Mann", "in einer Küche"),
    ("Une femme dans un jardin dit : « Bonjour tout le monde ». Lumière douce.", "Une femme", "Lumière douce"),
    ("一位女士在厨房里说：“早上好，Tom。” 镜头固定。", "一 位 女 士", "厨 房 里"),
    ('Tom says "Come home soon." Rain falls.', "Tom", "Tom, Rain falls"),
    ("她微笑着说：“早上好。” 窗外下着雨。", "the person in the picture", "微 笑 着"),
    ("女人说：“早上好。” 窗外下着雨。", "女 人", "女 人"),
    ('While the camera pans, a man in a hat says "Hello there."', "a man in a hat", "a man"),
    ("部屋で女性が「おはよう」と言う。雨の音。", "女 性 が", "部 屋 で"),
    ('한 여자가 부엌에서 "안녕하세요"라고 말한다.', "한 여 자 가", "부 엌 에 서"),
    ("She whispers “It’s 5 o’clock” while rain falls.", "the person in the picture", "Rain"),
    ('"Come in," she says, smiling. A cat sleeps on a chair.', "the person in the picture", "A cat"),
    ('Subject: an old fisherman. Action: he mends a net and says: "The sea takes."', "an old fisherman", "mends a net"),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "speaker", "told"), TALK)
def test_who_speaks_and_where_stands_in_the_paragraph_and_not_in_the_sound(
    prompt: str, speaker: str, told: str
) -> None:
    paragraph, dialogue, sound = enhanced(prompt).split("\n\n")
    assert told.lower() in paragraph.lower()
    assert dialogue.startswith(f"Dialogue:\n<{speaker}, ")
    assert not paragraph.startswith("The expression")
    assert 150 <= len(paragraph.split()) <= 200
    for line in read_prompt(prompt).lines:
        assert line.text not in sound
    assert not re.search(r"says|dit|sagt|说|言う|말한다|whispers", sound)


def test_each_line_has_its_own_speaker() -> None:
    _, dialogue, _ = enhanced('A man says "Yes." A woman answers in a low voice: "No."').split("\n\n")
    assert dialogue == 'Dialogue:\n<A man, English>: "Yes."\n<A woman, English>: "No."'


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_word_of_the_directions_is_lost_but_moves_of_the_camera(first: int, second: int) -> None:
    """Prompts put together from who, where, how said, what said and what else."""
    rng = random.Random(first * 1_000_003 + second)
    prompt = (
        rng.choice(["A tall woman", "An old man with a beard", "Two children"])
        + rng.choice([" in a kitchen", " on a beach at dawn", ""])
        + rng.choice([", smiling,", " in a green coat", ""])
        + rng.choice([" says: ", " whispers softly ", " and then asks ", " speaks in a warm voice: "])
        + rng.choice(['"Look at that."', "“Never again!”", '"Why?"'])
        + rng.choice(
            [
                " Soft light.",
                " The camera stands still.",
                " while leaves fall.",
                " Snow lies on the roofs.",
                "",
            ]
        )
        + rng.choice([' She answers: "Because."', ""])
        + rng.choice([" Wind howls.", " Audio: a distant bell.", ""])
    )
    written = enhanced(prompt).lower()
    directions = re.sub(r"[\"“].*?[\"”]", " ", prompt)
    skipped = {"and", "then", "while", "she", "audio", "answers"}
    for word in re.findall(r"[a-z]+", directions.lower()):
        assert word in skipped or re.search(rf"\b{word}\b", written), (word, prompt, written)


def test_a_long_prompt_keeps_its_words_and_loses_ours() -> None:
    scene = "A young woman with long hair and a blue scarf sits at a desk in an office full of plants. " * 7
    paragraph = enhanced(scene).split("\n\n")[0]
    assert len(paragraph.split()) <= 200
    assert paragraph.count("blue scarf") == 7


def test_of_a_camera_only_its_moves_are_left_out() -> None:
    text = enhanced("Subject: a man. Camera: close-up, slow push in, shallow focus.")
    assert "Close-up, shallow focus." in text
    assert "push" not in text
