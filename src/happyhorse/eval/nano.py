"""`happyhorse eval nano`: held-out prompts become clips; instruments read the finished files and hold them to the prompt.

Each row says the instrument's own accuracy on the world's pictures beside what it reads from nano's clips, and what guessing
would give. A row whose instrument errs by more than 10 % is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from happyhorse.eval.reader import READ, Reader, as_pictures, draw_frames
from happyhorse.media.read import decode_audio, decode_video
from happyhorse.model.video_vae import VideoVae
from happyhorse.shapes import SAMPLE_RATE
from happyhorse.world.caption import caption
from happyhorse.world.scene import ATTRIBUTES, Scene, sample_scene

FIRST_SEED = 3_000_000_000
"""Scenes from here on are never trained on."""
INSTRUMENT_SCENES = 120
MAX_INSTRUMENT_ERROR = 0.10
_FRAME_SAMPLES = SAMPLE_RATE // 25


@dataclass(frozen=True)
class HeldOut:
    """One prompt with what it asks for."""

    scene: Scene
    prompt: str
    asked: frozenset[str]


@dataclass(frozen=True)
class Row:
    """One attribute: shares of right readings. `instrument` on the world, `nano` on finished clips, `chance` by guessing."""

    name: str
    instrument: float
    nano: float
    chance: float
    count: int

    @property
    def void(self) -> bool:
        return self.instrument < 1 - MAX_INSTRUMENT_ERROR


@dataclass(frozen=True)
class Table:
    """The whole evaluation. `mouth` are correlations of mouth opening with the voice's loudness, one for each speaking clip."""

    rows: tuple[Row, ...]
    mouth: tuple[float, ...]
    mouth_instrument: float

    def to_dict(self) -> dict[str, object]:
        """Everything, as JSON types."""
        rows = {
            row.name: {
                "instrument": row.instrument,
                "nano": row.nano,
                "chance": row.chance,
                "count": row.count,
                "void": row.void,
            }
            for row in self.rows
        }
        mouth = {
            "mean": float(np.mean(self.mouth)),
            "each": list(self.mouth),
            "instrument": self.mouth_instrument,
        }
        return {"attributes": rows, "mouth_loudness_correlation": mouth}


def held_out(count: int) -> Iterator[HeldOut]:
    """Yield prompts of unseen scenes with speech, in phrasings kept out of training; each says every attribute that is read."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_scene(seed, seconds=5)
        seed += 1
        if not scene.line or len(scene.line.split()) < 4:
            continue
        told = caption(scene, np.random.default_rng(seed), keep=frozenset((*READ, "speaks")))
        if told.quoted and scene.line not in told.text:
            continue
        prompt = told.text if scene.line in told.text else f'{told.text} Speaking to camera: "{scene.line}"'
        found += 1
        yield HeldOut(scene, prompt, told.mentioned & set(READ))


def instrument_accuracy(reader: Reader, vae: VideoVae) -> tuple[dict[str, float], float]:
    """Return the reader's share of right readings by attribute, and its correlation with the true mouth opening."""
    rng = np.random.default_rng(5)
    right: dict[str, list[bool]] = {name: [] for name in READ}
    true_mouth: list[float] = []
    read_mouth: list[float] = []
    for i in range(INSTRUMENT_SCENES):
        scene = sample_scene(FIRST_SEED + 10**6 + i, seconds=3)
        frames, mouth = draw_frames(scene, vae, rng)
        pictures = as_pictures(frames)
        read = reader.read(pictures)
        for name in READ:
            right[name].append(read[name] == scene.attributes()[name])
        with torch.inference_mode():
            read_mouth += reader(pictures)[1].tolist()
        true_mouth += mouth
    return {name: float(np.mean(values)) for name, values in right.items()}, float(
        np.corrcoef(true_mouth, read_mouth)[0, 1]
    )


def loudness_curve(sound: NDArray[np.float32], num_frames: int) -> NDArray[np.float64]:
    """Return the sound's RMS in each frame's time, (num_frames,)."""
    cut = sound.mean(axis=0)[: num_frames * _FRAME_SAMPLES].astype(np.float64)
    return np.asarray(np.sqrt(np.mean(cut.reshape(num_frames, _FRAME_SAMPLES) ** 2, axis=1)))


def mouth_correlation(reader: Reader, frames: NDArray[np.uint8], sound: NDArray[np.float32]) -> float:
    """Correlate how open the mouth is with how loud the voice is, over a clip's frames."""
    with torch.inference_mode():
        mouth = reader(as_pictures(frames))[1].numpy()
    loud = loudness_curve(sound, len(frames))
    return float(np.corrcoef(mouth, loud)[0, 1])


def evaluate(
    make: Callable[[str, int, Path], None],
    reader: Reader,
    vae: VideoVae,
    *,
    folder: Path,
    count: int,
    on_clip: Callable[[HeldOut, dict[str, str], float], None] = lambda *_: None,
) -> Table:
    """Make `count` clips with `make(prompt, seed, path)`, read them, and return the table. Clips stay in `folder`."""
    instrument, mouth_instrument = instrument_accuracy(reader, vae)
    right: dict[str, list[bool]] = {name: [] for name in READ}
    mouths: list[float] = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(held_out(count)):
        path = folder / f"{number:03d}.mp4"
        make(item.prompt, number, path)
        frames = np.asarray(decode_video(path, size=(448, 256)))
        read = reader.read(as_pictures(frames[5::12]))
        mouths.append(mouth_correlation(reader, frames, decode_audio(path)))
        for name in item.asked:
            right[name].append(read[name] == item.scene.attributes()[name])
        on_clip(item, read, mouths[-1])
    rows = tuple(
        Row(name, instrument[name], float(np.mean(right[name])), 1 / len(ATTRIBUTES[name]), len(right[name]))
        for name in READ
        if right[name]
    )
    return Table(rows, tuple(mouths), mouth_instrument)
