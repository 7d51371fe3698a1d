"""Phoneme rows: on the clip's clock, as many as the length allows, padding at the end."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from happyhorse.model.phonemes import PAD_ID, num_phoneme_rows, phonemes_of

spoken = st.lists(st.tuples(st.integers(1, 148), st.floats(-1, 7), st.floats(0.0, 0.5)), max_size=90)


@given(spoken=spoken, num_audio=st.integers(1, 130))
def test_rows_are_those_heard_within_the_clip_then_padding(spoken, num_audio):
    rows = phonemes_of(spoken, num_audio=num_audio)
    count = num_phoneme_rows(num_audio)
    heard = [one for one in spoken if one[1] < num_audio / 25 and one[1] + one[2] > 0][:count]
    assert rows.ids.shape == rows.starts.shape == rows.log_durations.shape == (1, count)
    assert rows.ids[0].tolist() == [one[0] for one in heard] + [PAD_ID] * (count - len(heard))


def test_starts_count_latent_frames_of_160_ms_and_durations_are_logarithms():
    rows = phonemes_of([(5, 0.32, 0.08)], num_audio=25)
    torch.testing.assert_close(rows.starts[0, 0], torch.tensor(2.0))
    torch.testing.assert_close(rows.log_durations[0, 0], torch.tensor(math.log(0.08)))


def test_a_five_second_clip_has_eighty_rows():
    assert num_phoneme_rows(125) == 80
