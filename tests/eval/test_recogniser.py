# ruff: noqa: RUF001 - phonetic letters look like others on purpose
"""The recogniser: what it is taught is true and holds no word of the evaluation; it hears sounds, not words; it learns."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from happyhorse.eval.edits import Heard, edits, error_rate
from happyhorse.eval.invented import SMALL, invented_line, words_of
from happyhorse.eval.learn_phonemes import SOUND_S, coloured, loss_on, make_utterance, train_recogniser
from happyhorse.eval.nano import held_out
from happyhorse.eval.phonemes import BLANK, HOP, PHONEMES, PHONEMES_OF, Recogniser, folded
from happyhorse.eval.speech import said_and_sound
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.speech.phonemes import SILENCE
from happyhorse.speech.speaker import process_speaker
from happyhorse.speech.voices import VOICES as SPEECH_VOICES
from happyhorse.world.scene import VOICES
from happyhorse.world.sound import speak_line


@pytest.fixture(scope="module")
def recogniser():
    torch.manual_seed(0)
    return Recogniser().eval()


@pytest.fixture(scope="module")
def utterances(recogniser):
    return [make_utterance(10**9 + i, recogniser) for i in range(4)]


def test_what_english_does_not_tell_apart_is_one_phoneme():
    assert folded(["b", "ɛ", "ɾ", "ɚ", "_", "ɔɹ", "ɐ"]) == ("b", "ɛ", "t", "ɚ", "ɔ", "ɹ", "ə")
    assert folded(["ɡ", "əʊ"]) == folded(["ɡ", "oʊ"])


def test_every_sound_of_the_worlds_voices_has_its_phoneme():
    for number, item in enumerate(held_out(12)):
        person = replace(item.scene.person, voice=[*VOICES["woman"], *VOICES["man"]][number % 4])
        speech = speak_line(replace(item.scene, person=person), aloud=False)
        assert not [p for p in speech.phonemes if p.symbol != SILENCE and not folded([p.symbol])]


def test_lines_to_learn_from_share_only_small_words_with_those_to_be_tried():
    rng = np.random.default_rng(1)
    learnt = frozenset().union(*(words_of(invented_line(rng, num_words=8)) for _ in range(300)))
    tried = frozenset().union(*(words_of(item.scene.line) for item in held_out(40)))
    assert learnt & tried <= {word.lower() for word in SMALL.split()}
    assert len(tried - learnt) > 60


@pytest.mark.parametrize("language", sorted(PHONEMES_OF))
def test_invented_lines_hold_nearly_every_sound_of_their_language(language):
    rng = np.random.default_rng(2)
    voice = next(voice for voice in SPEECH_VOICES.values() if voice.language == language)
    heard = set()
    for _ in range(60):
        line = invented_line(rng, num_words=8, language=language)
        spoken = process_speaker().phonemes(line, voice).phonemes
        heard |= set(folded([symbol for p in spoken for symbol in p.symbols], language))
    assert len(set(PHONEMES_OF[language]) - heard) <= 2


def test_it_answers_in_the_sounds_of_the_language_asked_for(recogniser):
    sound = 0.1 * torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(6))
    for language, symbols in PHONEMES_OF.items():
        assert set(recogniser.read(sound, language)) <= set(symbols)


def test_marks_are_the_phonemes_in_their_order(utterances):
    for one in utterances:
        assert len(one.mel) == 2 * len(one.marks) == SOUND_S * 100
        marked = [number for number in torch.unique_consecutive(one.marks).tolist() if number != BLANK]
        assert len(edits(tuple(map(str, one.classes)), tuple(map(str, marked)))) <= 1
        assert all(0 < number <= len(PHONEMES) for number in one.classes)


def test_marks_lie_where_the_voice_is(utterances):
    inside, outside = [], []
    for one in utterances:
        loudness = one.mel.float()[::2].mean(1)
        spoken = torch.nonzero(one.marks)[:, 0]
        quiet = torch.arange(len(one.marks)) > spoken.max() + 10
        inside.append(loudness[spoken].mean().item())
        outside.append(loudness[quiet].mean().item())
    assert np.mean(inside) > np.mean(outside) + 1


def test_it_hears_160_ms_to_either_side(recogniser):
    sound = 0.1 * torch.randn(1, SAMPLE_RATE, generator=torch.Generator().manual_seed(3))
    other = sound.clone()
    other[:, : SAMPLE_RATE // 2] = 0
    with torch.inference_mode():
        changed = (recogniser(recogniser.mel(sound)) - recogniser(recogniser.mel(other))).abs().amax(-1)[0]
    last = int(torch.nonzero(changed > 1e-4).max())
    assert 25 + 5 <= last <= 25 + 8  # 20 ms each


def test_a_louder_sound_is_as_much_louder_in_every_band(recogniser):
    sound = 0.1 * torch.randn(1, 20 * HOP, generator=torch.Generator().manual_seed(4))
    louder = recogniser.mel(2 * sound) - recogniser.mel(sound)
    assert louder.median().item() == pytest.approx(np.log(2), abs=0.01)


def test_colours_change_a_sound_without_moving_it(utterances):
    torch.manual_seed(5)
    mel = torch.stack([one.mel for one in utterances]).float()
    first, second = coloured(mel), coloured(mel)
    assert first.shape == mel.shape
    assert (first - second).abs().mean() > 0.2
    for one, other in zip(mel.mean(2), first.mean(2), strict=True):
        moved = [np.corrcoef(one[5:-5], other.roll(-k)[5:-5])[0, 1] for k in range(-5, 6)]
        assert np.argmax(moved) == 5


def test_it_learns_and_is_kept(utterances, tmp_path):
    torch.manual_seed(0)
    fresh = Recogniser()
    optimizer = torch.optim.AdamW(fresh.parameters(), lr=2e-3)
    losses = []
    for _ in range(10):
        loss = loss_on(fresh, utterances[:2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    fresh.eval().save(tmp_path / "p.safetensors")
    again = Recogniser.load(tmp_path / "p.safetensors")
    mel = utterances[3].mel.float()[None]
    assert torch.equal(again(mel), fresh(mel))


@pytest.mark.slow
def test_after_a_minute_it_understands_half_of_what_is_said():
    taught = train_recogniser(minutes=1)
    spoken = [said_and_sound(item.scene) for item in held_out(8)]
    heard = [Heard(said, taught.read(sound)) for said, sound in spoken]
    assert error_rate(heard) < 0.5
    guessed = [Heard(one.said, other.heard) for one, other in itertools.pairwise(heard)]
    assert error_rate(guessed) > error_rate(heard) + 0.25
