"""Where the seconds of a clip go: import, load, each stage of a cold and a warm run, and each part of drawing by itself."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from happyhorse.engines.base import Progress
from happyhorse.engines.local import LocalEngine
from happyhorse.engines.plan import Plan
from happyhorse.engines.run import run
from happyhorse.engines.take import Take
from happyhorse.media.picture import fit
from happyhorse.media.write import encode
from happyhorse.model.pixels import to_bytes


@dataclass(frozen=True)
class ClipReport:
    """Seconds by name, the memory of this process at its peak while clips were made, and the cold and warm runs as a whole."""

    seconds: dict[str, float]
    clip_s: float
    cold_s: float
    """Import, load and the first clip: what a user of the command waits."""
    warm_s: float
    peak_bytes: int

    @property
    def real_time_factor(self) -> float:
        """Seconds of clip made in a second, warm."""
        return self.clip_s / self.warm_s


def bench_clip(decide: Callable[[LocalEngine], Plan], *, engine: str = "nano") -> ClipReport:
    """Make the same clip twice and time everything; `decide` plans it for the loaded engine."""
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    with tempfile.TemporaryDirectory(prefix="happyhorse-bench-") as folder:
        path = Path(folder) / "clip.mp4"
        with clock.over("import"):
            subprocess.run([sys.executable, "-c", "import happyhorse.engines.local"], check=True)
        with clock.over("load"):
            loaded = LocalEngine.from_package(engine)
        plan = decide(loaded)
        with clock.over("first clip"):
            run(loaded, plan, path, on_progress=lambda _: None)
        takes: list[Take] = []
        stages = _Stages()
        with clock.over("second clip"):
            run(loaded, plan, path, on_progress=stages.note, on_take=takes.append)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # before all frames are kept at once
        seconds |= stages.seconds()
        _time_parts(loaded, plan, takes[0], path, clock)
    cold_s = seconds["import"] + seconds["load"] + seconds["first clip"]
    return ClipReport(seconds, plan.duration_s, cold_s, seconds["second clip"], peak)


def _time_parts(engine: LocalEngine, plan: Plan, take: Take, path: Path, clock: _Clock) -> None:
    """Decode, enlarge and encode one after the other on the same take; in a run they overlap as a stream."""
    weights = engine.weights
    with torch.inference_mode():
        latents = {name: torch.from_numpy(value) for name, value in take.latents.items()}
        with clock.over("text alone"):
            weights.text.encode([plan.prompt])
        with clock.over("decode sound alone"):
            weights.audio_vae.decode(latents["audio"])
        with clock.over("decode picture alone"):
            chunks = list(weights.video_vae.decode_stream(latents["video"]))
    small = to_bytes(torch.cat(chunks, dim=2))[: plan.num_frames]
    with clock.over("enlarge alone"):
        large = [fit(picture, (plan.width, plan.height)) for picture in small]
    sound = np.zeros((2, 48_000), np.float32)
    with clock.over("encode alone"):
        encode(path, iter(large), size=(plan.width, plan.height), audio=sound, metadata={})


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    @contextmanager
    def over(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


class _Stages:
    """Turns progress reports into the time of each stage, and of a step of the denoiser."""

    def __init__(self) -> None:
        self.times: list[tuple[str, int, float]] = []

    def note(self, progress: Progress) -> None:
        self.times.append((progress.stage, progress.step, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        ends = {stage: when for stage, _, when in self.times}
        first_step = next(when for stage, step, when in self.times if (stage, step) == ("base", 1))
        steps = max(step for stage, step, _ in self.times if stage == "base")
        a_step = (ends["base"] - first_step) / max(1, steps - 1)
        start = self.times[0][2]
        return {
            "text and speech": max(0.0, first_step - a_step - start),
            "a step": a_step,
            "all steps": a_step * steps,
            "draw and write": ends["finish"] - ends["base"],
        }
