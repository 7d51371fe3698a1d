"""The world's other languages: lines that their voices can read in time, with every sound known to the network's table."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.eval.phonemes import PHONEMES_OF, folded
from happyhorse.eval.tongues import SENTENCES, foreign_scenes
from happyhorse.speech.phonemes import PHONEMES, SILENCE, UNKNOWN
from happyhorse.speech.voices import VOICES
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import speak_line
from happyhorse.world.tongues import TONGUES, foreign_line, speaking

SECONDS = 4.5
languages = pytest.mark.parametrize("language", sorted(TONGUES))


@languages
def test_lines_end_in_time_and_hold_no_unknown_sound(language):
    late = 0
    for seed in range(40):
        scene = speaking(sample_scene(seed), language, seconds=SECONDS)
        speech = speak_line(scene, aloud=False)
        late += speech.duration_s > SECONDS
        symbols = {phoneme.symbol for phoneme in speech.phonemes}
        assert symbols <= set(PHONEMES) - {UNKNOWN}
        assert not [one for one in symbols - {SILENCE} if not folded([one], language)]
    assert late <= 4


@languages
def test_the_voice_is_of_the_language_and_of_the_persons_gender(language):
    for seed in range(8):
        scene = speaking(sample_scene(seed), language, seconds=SECONDS)
        voice = VOICES[scene.person.voice]
        assert voice.language == language
        assert (voice.gender == "female") == (scene.person.gender == "woman")
        assert replace(scene, line="", person=sample_scene(seed).person) == replace(
            sample_scene(seed), line=""
        )


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), language=st.sampled_from(sorted(TONGUES)), seconds=st.floats(0.5, 15))
def test_the_same_seed_says_the_same(seed, language, seconds):
    first, again = (foreign_line(np.random.default_rng(seed), language, seconds=seconds) for _ in range(2))
    assert first == again
    assert first.strip()


@languages
def test_what_is_measured_is_never_said_in_training(language):
    rng = np.random.default_rng(0)
    said = " ".join(foreign_line(rng, language, seconds=5) for _ in range(500)).lower()
    assert all(sentence.lower().rstrip(".") not in said for sentence in SENTENCES[language])
    for scene in foreign_scenes(language):
        speech = speak_line(scene, aloud=False)
        assert scene.line_start_s + speech.duration_s < 5
        assert set(folded([p.symbol for p in speech.phonemes], language)) <= set(PHONEMES_OF[language])
