"""Prompts in other languages: nano's text encoder reads their English gloss as it reads English."""

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.engines.catalog import NANO
from happyhorse.model.text import TextEncoder
from happyhorse.prompt.gloss import english, in_english
from happyhorse.prompt.known import judge
from happyhorse.prompt.read import read_prompt

LANGUAGES = ("en", "de", "fr", "ja", "ko", "zh", "yue")
READ = {
    'Eine Frau mit roten Haaren und grüner Jacke spricht in einem Café in die Kamera. Sie sagt: "Schön, dass du da bist."': {
        "gender": "woman", "hair_colour": "ginger", "garment": "jacket", "top_colour": "green", "environment": "cafe", "speaks": "yes",
    },
    "Nahaufnahme eines Mannes mit Bart und Brille, blauer Pullover, nachts am Strand, es regnet. Er schweigt.": {
        "gender": "man", "beard": "yes", "glasses": "yes", "garment": "sweater", "top_colour": "blue", "time": "night",
        "environment": "beach", "weather": "rain", "shot": "close-up", "speaks": "no",
    },
    "Une femme aux cheveux roux en veste verte parle à la caméra dans un café. Elle dit : « Bienvenue chez nous. »": {
        "gender": "woman", "hair_colour": "ginger", "garment": "jacket", "top_colour": "green", "environment": "cafe", "speaks": "yes",
    },
    "Gros plan sur un homme aux cheveux gris, pull bleu, lunettes, la nuit dans la rue sous la pluie.": {
        "gender": "man", "hair_colour": "grey", "garment": "sweater", "top_colour": "blue", "glasses": "yes", "time": "night",
        "environment": "street", "weather": "rain", "shot": "close-up",
    },
    "赤い髪の女性が緑のジャケットを着てカフェで話す。「こんにちは、きょうはいいてんきですね。」": {
        "gender": "woman", "hair_colour": "ginger", "garment": "jacket", "top_colour": "green", "environment": "cafe", "speaks": "yes",
    },
    '안경을 쓴 회색 머리 남자, 파란 스웨터, 밤의 해변, 비, 클로즈업. "잘 자요."': {
        "gender": "man", "hair_colour": "grey", "garment": "sweater", "top_colour": "blue", "glasses": "yes", "time": "night",
        "environment": "beach", "weather": "rain", "shot": "close-up", "speaks": "yes",
    },
    "一个红发女人穿着绿色夹克在咖啡馆对着镜头说话。": {
        "gender": "woman", "hair_colour": "ginger", "garment": "jacket", "top_colour": "green", "environment": "cafe", "speaks": "yes",
    },
    "A red ball bounces on a table in a kitchen.": {"subject": "red ball", "environment": "kitchen"},
    "Ein roter Ball fällt in einer Küche auf den Tisch.": {"subject": "red ball", "environment": "kitchen"},
    "Une balle rouge rebondit sur la table d'une cuisine.": {"subject": "red ball", "environment": "kitchen"},
    "キッチンのテーブルの上で赤いボールが弾む。": {"subject": "red ball", "environment": "kitchen"},
    "부엌의 테이블 위에서 빨간 공이 튄다.": {"subject": "red ball", "environment": "kitchen"},
    "厨房里一个红色的球在桌子上弹跳。": {"subject": "red ball", "environment": "kitchen"},
    "一個紅色嘅波喺枱上面彈跳。": {"subject": "red ball"},
    "A man in a straw hat on a beach.": {"subject": "person", "hat": "straw hat", "environment": "beach"},
    "Ein Mann mit Strohhut am Strand.": {"subject": "person", "hat": "straw hat", "environment": "beach"},
    "Un homme avec un bonnet dans la rue.": {"subject": "person", "hat": "beanie", "environment": "street"},
    "ニット帽の男性が街を歩く。": {"subject": "person", "hat": "beanie", "environment": "street"},
    "야구모자를 쓴 남자가 해변에 있다.": {"subject": "person", "hat": "cap", "environment": "beach"},
    "戴鴨舌帽的男人在海滩上。": {"subject": "person", "hat": "cap", "environment": "beach"},
}  # fmt: skip
NO_BALL = (
    "공원에서 여자가 말한다.", "주인공이 카메라를 보며 말한다.", "공주가 웃는다.", "성공.", "一个女人拿着气球。", "地球。", "足球场上的男人。",
    "ボールペンを持つ女性。", "段ボールの前の男性。", "A ballerina in a studio.", "A ballpark at night.", "A baseball cap lies on a table.",
    "A woman in a ball gown.",
)  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.load(Path(str(resources.files("happyhorse") / "weights/nano/text.safetensors")))


@pytest.mark.parametrize("text", READ)
def test_what_is_asked_for_is_read_in_every_language(encoder, text):
    read = encoder.read([in_english(read_prompt(text))])[0]
    assert {name: value.value for name, value in read.items() if name in READ[text]} == READ[text]


@pytest.mark.parametrize("text", NO_BALL)
def test_words_that_only_look_like_a_ball_are_none(encoder, text):
    read = encoder.read([in_english(read_prompt(text))])[0]
    assert not (read["subject"].value or "").endswith("ball")


@pytest.mark.parametrize("text", READ)
def test_spoken_lines_stay_as_they_are(text):
    prompt = read_prompt(text)
    glossed = in_english(prompt)
    assert all(text[line.start : line.end] in glossed for line in prompt.lines)


@settings(max_examples=200)
@given(text=st.text(max_size=80), language=st.sampled_from(LANGUAGES))
def test_any_text_has_a_gloss_and_english_is_left_alone(text, language):
    glossed = english(text, language)
    assert isinstance(glossed, str)
    assert language != "en" or glossed == text


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("die blauen Hemden", "de", "the blue shirt"),
        ("l'homme aux lunettes", "fr", "man with glasses"),
        ("une chemise blanche", "fr", "a white shirt"),
        ("夜の森", "ja", "night forest"),
        ("붉은 머리", "ko", "red hair"),
        ("紅髮女士", "yue", "red hair woman"),
    ],
)
def test_endings_elisions_particles_and_order(text, language, said):
    assert english(text, language) == said


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Eine Frau mit einem Drachen im Café.", ("drachen",)),
        ("Une femme avec un dragon dans un café.", ("dragon",)),
        ("カフェで女性がドラゴンと話す。", ("ドラゴンと",)),
        ("카페에서 여자가 유니콘을 본다.", ("유니콘을", "본다")),
        ("咖啡馆里的女人和独角兽。", ("独角兽",)),
    ],
)
def test_words_that_nano_does_not_draw_are_named_as_they_were_written(text, unknown):
    assert judge(read_prompt(text), NANO.vocabulary, NANO.stand_ins).unknown == unknown
