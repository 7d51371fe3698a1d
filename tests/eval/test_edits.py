"""Edits: the distance is a metric, the list of edits accounts for it, and the rate is over all that was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from happyhorse.eval.edits import Heard, edits, error_rate

WORDS = st.lists(st.sampled_from("abcd"), max_size=9)


def test_known_distances():
    assert edits("kitten", "sitting") == [("k", "s"), ("e", "i"), ("", "g")]
    assert edits("abc", "bc") == [("a", "")]
    assert edits("", "xy") == [("", "x"), ("", "y")]


@given(WORDS, WORDS)
def test_the_edits_lead_from_what_was_said_to_what_was_heard(said, heard):
    found = edits(said, heard)
    added = sum(not one for one, _ in found)
    lost = sum(not other for _, other in found)
    assert len(said) - lost + added == len(heard)
    assert abs(len(said) - len(heard)) <= len(found) <= max(len(said), len(heard))
    assert all(one != other for one, other in found)
    assert (not found) == (said == heard)


@given(WORDS, WORDS, WORDS)
def test_the_distance_is_a_metric(one, two, three):
    assert len(edits(one, two)) == len(edits(two, one))
    assert len(edits(one, three)) <= len(edits(one, two)) + len(edits(two, three))


def test_a_rate_counts_all_that_was_said_once():
    right, wrong = Heard(tuple("abcdef"), tuple("abcdef")), Heard(tuple("ab"), tuple("xyz"))
    assert error_rate([right]) == 0
    assert error_rate([wrong]) == 1.5
    assert error_rate([right, wrong]) == pytest.approx(3 / 8)


def test_silence_has_no_rate():
    with pytest.raises(ValueError, match="no symbol was said"):
        error_rate([Heard((), ("a",))])
