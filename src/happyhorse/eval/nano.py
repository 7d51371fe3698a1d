"""`happyhorse eval nano`: held-out prompts become clips; an instrument reads the finished files and holds them to the prompt.

Each row says the instrument's own accuracy on the world beside what it reads from nano's clips, and what guessing would
give. A row whose instrument errs by more than 10 % is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from happyhorse.eval.camera import fit_camera, read_path
from happyhorse.eval.codec import edge_energy
from happyhorse.eval.curves import correlation, lag, loudness
from happyhorse.eval.instrument import READ, Instrument, as_pictures
from happyhorse.eval.learn import draw_pictures
from happyhorse.eval.stepping import stepping
from happyhorse.media.read import decode_audio, decode_frame, decode_video, probe
from happyhorse.shapes import FPS, SAMPLE_RATE
from happyhorse.world.caption import caption
from happyhorse.world.draw import ScenePainter, draw_clip
from happyhorse.world.motion import move
from happyhorse.world.scene import ATTRIBUTES, Scene, sample_scene
from happyhorse.world.sound import render, speak_line

FIRST_SEED = 3_000_000_000
"""Scenes from here on are never trained on."""
INSTRUMENT_SCENES = 120
INSTRUMENT_CLIPS = 6
MAX_INSTRUMENT_ERROR = 0.10
MAX_LAG_ERROR = 2
READ_SIZE = (448, 256)
"""Width and height at which finished clips are read."""
ASKED = (*READ, "move")
"""Attributes that are held against the prompt: those of the learned instrument and the camera's."""
ALWAYS = frozenset({"hair_colour", "top_colour", "environment", "time", "move"})
"""Attributes that every held-out prompt names."""
_CLIP_S = 5
_SHOWN = 60


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
class Lips:
    """Mouth against voice over one clip: correlation of opening and loudness, and frames by which the mouth is late."""

    correlation: float
    lag: int


@dataclass(frozen=True)
class Table:
    """The whole evaluation. `lips` of nano's clips, `world_lips` of the world's own, both read by the instrument."""

    rows: tuple[Row, ...]
    mouth_instrument: float
    """Correlation of the openings it reads with the true ones, on the world's pictures."""
    world_lips: tuple[Lips, ...]
    lips: tuple[Lips, ...] = field(default=())
    edges: float = 0.0
    """Edge energy of a finished picture over that of the same scene drawn at its size, mean of all clips."""
    stepping: float = 0.0
    """Change from latent to latent over change within, mean of all clips; the world's is 1."""

    @property
    def lips_void(self) -> bool:
        return self.mouth_instrument < 1 - MAX_INSTRUMENT_ERROR

    @property
    def mean_correlation(self) -> float:
        return float(np.mean([item.correlation for item in self.lips]))

    @property
    def in_time(self) -> float:
        """Share of clips whose lag is within two frames of the world's median lag."""
        return self.share_in_time(self.lips)

    def share_in_time(self, lips: Sequence[Lips]) -> float:
        """The same share of other clips."""
        usual = float(np.median([item.lag for item in self.world_lips]))
        return float(np.mean([abs(item.lag - usual) <= MAX_LAG_ERROR for item in lips]))

    def to_dict(self) -> dict[str, object]:
        """Everything, as JSON types."""
        rows = {row.name: {**asdict(row), "void": row.void} for row in self.rows}
        lips = {
            "instrument": self.mouth_instrument,
            "void": self.lips_void,
            "mean_correlation": self.mean_correlation,
            "in_time": self.in_time,
            "each": [asdict(item) for item in self.lips],
            "world": [asdict(item) for item in self.world_lips],
        }
        return {"attributes": rows, "lips": lips, "edges": self.edges, "stepping": self.stepping}


def held_out(count: int) -> Iterator[HeldOut]:
    """Yield prompts of unseen scenes with speech, each says the attributes of `ALWAYS` and most others that are read."""
    found, seed = 0, FIRST_SEED
    while found < count:
        scene = sample_scene(seed, seconds=_CLIP_S)
        seed += 1
        if not scene.line or len(scene.line.split()) < 4:
            continue
        told = caption(scene, np.random.default_rng(seed), keep=frozenset((*ASKED, "speaks")))
        if not told.mentioned >= ALWAYS or (told.quoted and scene.line not in told.text):
            continue
        prompt = told.text if scene.line in told.text else f'{told.text} Speaking to camera: "{scene.line}"'
        found += 1
        yield HeldOut(scene, prompt, told.mentioned & set(ASKED))


def instrument_accuracy(instrument: Instrument) -> tuple[dict[str, float], float]:
    """Return its share of right readings by attribute, and its correlation with the true opening, on the world's pictures."""
    rng = np.random.default_rng(5)
    right: dict[str, list[bool]] = {name: [] for name in READ}
    true_mouth: list[float] = []
    read_mouth: list[float] = []
    for i in range(INSTRUMENT_SCENES):
        drawn = draw_pictures(FIRST_SEED + 10**6 + i, rng)
        read = instrument.read(drawn.pictures)
        for name in READ:
            right[name].append(read[name] == drawn.scene.attributes()[name])
        read_mouth += instrument.mouths(drawn.pictures).tolist()
        true_mouth += drawn.mouth.tolist()
    shares = {name: float(np.mean(values)) for name, values in right.items()}
    return shares, correlation(np.array(true_mouth), np.array(read_mouth))


def world_lips(instrument: Instrument, count: int) -> tuple[Lips, ...]:
    """Read the lips of the world's own clips, as a measure for nano's."""
    found = []
    for item in held_out(count):
        speech = speak_line(item.scene)
        motion = move(item.scene, speech, num_frames=_CLIP_S * FPS)
        frames = np.stack(list(draw_clip(item.scene, motion, width=224, height=128)))
        sound = render(item.scene, speech, num_samples=_CLIP_S * SAMPLE_RATE)
        found.append(read_lips(instrument, frames, sound[None]))
    return tuple(found)


def read_lips(instrument: Instrument, frames: np.ndarray, sound: np.ndarray) -> Lips:
    """Hold mouth and voice of one clip against each other: frames (n, h, w, 3), sound (channels, samples)."""
    mouth = instrument.mouths(as_pictures(frames)).double().numpy()
    loud = loudness(sound, len(frames))
    return Lips(correlation(mouth, loud), lag(mouth, loud))


def evaluate(
    make: Callable[[str, int, Path], None],
    instrument: Instrument,
    *,
    folder: Path,
    count: int,
    on_clip: Callable[[HeldOut, dict[str, str], Lips], None] = lambda *_: None,
) -> Table:
    """Make `count` clips with `make(prompt, seed, path)`, read them, and return the table. Clips stay in `folder`."""
    accuracy, mouth_accuracy = instrument_accuracy(instrument)
    camera, accuracy["move"] = fit_camera()
    right: dict[str, list[bool]] = {name: [] for name in ASKED}
    lips: list[Lips] = []
    edges: list[float] = []
    steps: list[float] = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(held_out(count)):
        path = folder / f"{number:03d}.mp4"
        make(item.prompt, number, path)
        frames = np.asarray(decode_video(path, size=READ_SIZE))
        read = {**instrument.read(as_pictures(frames[5::12])), "move": camera.read(read_path(frames))}
        lips.append(read_lips(instrument, frames, decode_audio(path)))
        edges.append(edge_energy(decode_frame(path, _SHOWN)) / edge_energy(_drawn(item.scene, path)))
        steps.append(stepping(frames))
        for name in item.asked:
            right[name].append(read[name] == item.scene.attributes()[name])
        on_clip(item, read, lips[-1])
    rows = tuple(
        Row(name, accuracy[name], float(np.mean(right[name])), 1 / len(ATTRIBUTES[name]), len(right[name]))
        for name in ASKED
        if right[name]
    )
    world = world_lips(instrument, INSTRUMENT_CLIPS)
    return Table(rows, mouth_accuracy, world, tuple(lips), float(np.mean(edges)), float(np.mean(steps)))


def _drawn(scene: Scene, path: Path) -> np.ndarray:
    """One frame of the scene, as large as the clip."""
    info = probe(path, kind="video")
    motion = move(scene, speak_line(scene, aloud=False), num_frames=_SHOWN + 1)
    return ScenePainter(scene, motion, width=info.width, height=info.height).draw(_SHOWN)
