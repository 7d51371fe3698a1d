"""The rows of speech: rates of what was said and heard, void where the instrument itself mishears."""

import numpy as np
import pytest
import torch

from happyhorse.eval.codec import CodecQuality
from happyhorse.eval.edits import Heard
from happyhorse.eval.nano import Lips, Table, held_out
from happyhorse.eval.phonemes import PHONEMES_OF, Recogniser
from happyhorse.eval.speech import SpeechQuality, confusions, measure_speech
from happyhorse.eval.table import lines
from happyhorse.eval.tongues import foreign_scenes
from happyhorse.media.write import encode
from happyhorse.model.audio_vae import AudioVae, AudioVaeConfig

GOOD = Heard(tuple("abcdefghij"), tuple("abcdefghij"))
POOR = Heard(tuple("abcdefghij"), tuple("abcdeXghi"))


def test_what_the_codec_costs_is_not_charged_to_nano():
    quality = SpeechQuality((GOOD,), (GOOD, POOR), (POOR, POOR))
    assert quality.above_codec == pytest.approx(0.1)
    assert not quality.void
    facts = quality.to_dict()
    assert (facts["instrument"], facts["codec"], facts["nano"]) == pytest.approx((0, 0.1, 0.2))
    assert sorted(facts["confusions"]) == [["f", "X", 2], ["j", "", 2]]


def test_an_instrument_that_mishears_one_in_five_is_void():
    assert SpeechQuality((POOR,), (POOR,), (GOOD,)).void


def test_the_most_frequent_errors_come_first():
    assert confusions([POOR, POOR, Heard(("a",), ("b",))], most=2) == [(("f", "X"), 2), (("j", ""), 2)]


def test_finished_clips_are_listened_to_beside_the_world(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "clip.mp4"
    sound = np.zeros((2, 48_000), np.float32)
    encode(path, iter([np.zeros((64, 64, 3), np.uint8)] * 25), size=(64, 64), audio=sound, metadata={})
    vae = AudioVae(AudioVaeConfig(width=16, num_blocks=1)).eval()
    clips = [(path, ["h", "_", "əʊ"]), (path, ["_"])]
    scenes = [item.scene for item in held_out(2)]
    quality = measure_speech(Recogniser().eval(), vae, clips, scenes)
    assert [one.said for one in quality.nano] == [("h", "oʊ")]
    assert quality.num_silent == 1
    assert [one.said for one in quality.world] == [one.said for one in quality.codec]
    assert all(len(one.said) > 8 for one in quality.world)
    german = measure_speech(
        Recogniser().eval(), vae, [(path, ["ç", "r"])], foreign_scenes("de"), language="de"
    )
    assert german.nano[0].said == ("ç", "ɾ")
    assert set(german.nano[0].heard) <= set(PHONEMES_OF["de"])
    assert [len(one.said) > 20 for one in german.world] == [True] * 6
    assert measure_speech(Recogniser().eval(), vae, clips[1:], scenes) is None


def test_the_table_says_how_much_was_misheard_and_where_nothing_was_said():
    table = Table((), 0.95, (Lips(0.7, 0),), (Lips(0.5, 1),))
    quality = SpeechQuality((GOOD,), (GOOD, POOR), (POOR, POOR), num_silent=1)
    rows = "\n".join(lines(table, CodecQuality(30, 29, 24, 0.5), speech={"en": quality}))
    assert "phonemes of en: errors nano 20%, codec 10%, above it 10%; instrument 0%; 1 of 3 clips" in rows
    assert "f > X 2, j > - 2" in rows
    assert "void" not in rows
    assert "phonemes of" not in "\n".join(lines(table, CodecQuality(30, 29, 24, 0.5)))
