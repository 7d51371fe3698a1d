"""The rows of speech: rates of what was said and heard, void where the instrument itself mishears."""

import numpy as np
import pytest
import torch

from happyhorse.eval.edits import Heard
from happyhorse.eval.phonemes import Recogniser
from happyhorse.eval.speech import SpeechQuality, confusions, measure_speech
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
    quality = measure_speech(Recogniser().eval(), vae, [(path, ["h", "_", "əʊ"])], count=2)
    assert [one.said for one in quality.nano] == [("h", "oʊ")]
    assert [one.said for one in quality.world] == [one.said for one in quality.codec]
    assert all(len(one.said) > 8 for one in quality.world)
