"""Can the speech be understood? Phoneme errors of the world's own sound, of the same sound through the codec, and of nano's clips.

The first is the instrument's own error, the second what no network behind this codec can undercut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from happyhorse.eval.edits import Edit, Heard, edits, error_rate
from happyhorse.eval.nano import MAX_INSTRUMENT_ERROR
from happyhorse.eval.phonemes import Recogniser, folded
from happyhorse.media.read import decode_audio
from happyhorse.model.audio_vae import AudioVae
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.world.scene import Scene
from happyhorse.world.sound import render, speak_line

_CLIP_S = 5


@dataclass(frozen=True)
class SpeechQuality:
    """Phonemes said and heard: of the world's held-out lines, of the same through the codec, of nano's clips that speak."""

    world: tuple[Heard, ...]
    codec: tuple[Heard, ...]
    nano: tuple[Heard, ...]
    num_silent: int = 0
    """Clips that were planned to say nothing, although each prompt has a line."""

    @property
    def instrument(self) -> float:
        """Phoneme error rate on the world's own sound."""
        return error_rate(self.world)

    @property
    def void(self) -> bool:
        return self.instrument > MAX_INSTRUMENT_ERROR

    @property
    def above_codec(self) -> float:
        """How many more errors nano's clips have than the codec alone, for each phoneme said."""
        return error_rate(self.nano) - error_rate(self.codec)

    def to_dict(self) -> dict[str, object]:
        """Rates, and nano's most frequent errors as [said, heard, how often], as JSON types."""
        return {
            "instrument": self.instrument,
            "void": self.void,
            "codec": error_rate(self.codec),
            "nano": error_rate(self.nano),
            "above_codec": self.above_codec,
            "silent": self.num_silent,
            "confusions": [[*edit, times] for edit, times in confusions(self.nano)],
            "each": [error_rate([one]) for one in self.nano],
        }


def confusions(utterances: Iterable[Heard], *, most: int = 20) -> list[tuple[Edit, int]]:
    """Return the most frequent errors and how often each occurs."""
    return Counter(edit for one in utterances for edit in edits(one.said, one.heard)).most_common(most)


def measure_speech(
    recogniser: Recogniser,
    vae: AudioVae,
    clips: Iterable[tuple[Path, Sequence[str]]],
    scenes: Iterable[Scene],
    *,
    language: str = "en",
) -> SpeechQuality | None:
    """Listen to finished clips, each with the symbols it was to say, and to scenes of the world, all in one language.

    None when no clip was to say anything.
    """
    planned = [(path, folded(symbols, language)) for path, symbols in clips]
    nano = [Heard(said, recogniser.read(_sound_of(path), language)) for path, said in planned if said]
    if not nano:
        return None
    world, codec = [], []
    for scene in scenes:
        said, sound = said_and_sound(scene, language)
        world.append(Heard(said, recogniser.read(sound, language)))
        codec.append(Heard(said, recogniser.read(_through(vae, sound), language)))
    return SpeechQuality(tuple(world), tuple(codec), tuple(nano), len(planned) - len(nano))


def _sound_of(path: Path) -> Tensor:
    return torch.from_numpy(decode_audio(path).mean(axis=0))


def said_and_sound(scene: Scene, language: str = "en") -> tuple[tuple[str, ...], Tensor]:
    """Return the phonemes that a scene's person says within the clip, and its sound."""
    speech = speak_line(scene)
    assert speech is not None
    heard = [
        symbol for p in speech.phonemes if scene.line_start_s + p.end_s <= _CLIP_S for symbol in p.symbols
    ]
    return folded(heard, language), torch.from_numpy(render(scene, speech, num_samples=_CLIP_S * SAMPLE_RATE))


@torch.inference_mode()
def _through(vae: AudioVae, sound: Tensor) -> Tensor:
    return vae.decode(vae.encode(sound[None]))[0]
