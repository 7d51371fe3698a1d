"""A page that shows how a run goes: losses by kind of sample, what the network draws now beside what is true, time left.

One HTML file with its pictures inside, written anew at each report, so a browser needs only to reload.
"""

from __future__ import annotations

import base64
import html
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import skia
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from happyhorse.model.pack import Latents, Phonemes
from happyhorse.model.pixels import to_bytes
from happyhorse.model.sampler import denoise, gaussian, video_noise
from happyhorse.model.velocity import velocity_of
from happyhorse.model.video_vae import VideoVae
from happyhorse.training.clips import Clip, make_clips
from happyhorse.training.report import Report
from happyhorse.training.train import KINDS, SAMPLER, WIDE, Trainer

SAMPLE_SEEDS = (2_500_000_000, 2_500_000_003, 2_500_000_004)
"""Scenes that no run is trained on."""
SAMPLE_EVERY_MIN = 10.0
FRAMES_SHOWN = 6
_WIDTH, _HEIGHT = 420, 120
_COLOURS = {"picture": "#3b82f6", "voice": "#f59e0b", "short": "#10b981", "long": "#ef4444"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1e293b }
svg { background: #f8fafc; border-radius: 8px } figure { margin: 1.2rem 0 } img { width: 100%; border-radius: 8px }
figcaption { color: #64748b } .charts { display: flex; flex-wrap: wrap; gap: 1rem }
"""


class LivePage:
    """Keeps what a run has reported and rewrites `path`; `minutes` is when the run ends."""

    def __init__(self, path: Path, *, minutes: float) -> None:
        self.path = path
        self.minutes = minutes
        self.reports: list[Report] = []
        self.samples: list[tuple[float, bytes]] = []
        self._clips: list[Clip] = []

    def add(self, report: Report, trainer: Trainer) -> None:
        """Take a report in, draw samples when it is time, write the page."""
        self.reports.append(report)
        if not self.samples or report.minutes - self.samples[-1][0] >= SAMPLE_EVERY_MIN:
            self._clips = self._clips or _samples(trainer)
            self.samples.append((report.minutes, as_png(draw_samples(trainer, self._clips))))
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(self.render(), encoding="utf-8")
        temporary.replace(self.path)

    def render(self) -> str:
        """Return the page."""
        last = self.reports[-1]
        charts = "".join(
            f"<figure>{chart(self.reports, name)}<figcaption>{title}</figcaption></figure>"
            for name, title in (
                ("video", "Velocity error, picture"),
                ("audio", "Velocity error, sound"),
                ("mouth", "Tutor's error, mouths"),
            )
        )
        figures = "".join(
            f'<figure><img alt="samples" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            f"<figcaption>Minute {minutes:.0f}: for each prompt, drawn by the world above, by the network below.</figcaption></figure>"
            for minutes, png in reversed(self.samples)
        )
        left = max(0.0, self.minutes - last.minutes)
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>nano, step {last.step}</title><style>{_STYLE}</style>"
            f"<h1>nano, step {last.step}</h1><p>{html.escape(last.line())}</p><p>{left:.0f} minutes left.</p>"
            f"<div class=charts>{charts}</div>{figures}</html>"
        )


def chart(reports: list[Report], name: str) -> str:
    """Return one loss over the minutes as an SVG, a line for each kind of sample."""
    told = [(report.minutes, report.losses.get(name, {})) for report in reports]
    kinds = sorted({kind for _, losses in told for kind in losses})
    points = {kind: [(minutes, losses[kind]) for minutes, losses in told if kind in losses] for kind in kinds}
    values = [value for line in points.values() for _, value in line] or [1.0]
    low, high = min(values), max(values)
    start, end = reports[0].minutes, max(reports[-1].minutes, reports[0].minutes + 0.1)

    def place(minutes: float, value: float) -> str:
        across = _WIDTH * (minutes - start) / (end - start)
        return f"{across:.1f},{6 + (_HEIGHT - 12) * (high - value) / max(high - low, 1e-9):.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke-width="1.5" stroke="{_COLOURS.get(kind, "#64748b")}" '
        f'points="{" ".join(place(*point) for point in line)}"><title>{kind}</title></polyline>'
        for kind, line in points.items()
    )
    names = "".join(
        f'<text x="{_WIDTH - 60}" y="{18 + 15 * i}" fill="{_COLOURS.get(kind, "#64748b")}" font-size="12">{kind}</text>'
        for i, kind in enumerate(kinds)
    )
    bounds = f'<text x="4" y="16" font-size="11">{high:.3f}</text><text x="4" y="{_HEIGHT - 4}" font-size="11">{low:.3f}</text>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">{lines}{names}{bounds}</svg>'


def _samples(trainer: Trainer) -> list[Clip]:
    kind = replace(KINDS["short"], sizes=(WIDE,))
    return [
        clip
        for seed in SAMPLE_SEEDS
        for clip in make_clips(range(seed, seed + 1), kind=kind, codecs=trainer.codecs)
    ]


@torch.inference_mode()
def draw_samples(trainer: Trainer, clips: list[Clip]) -> NDArray[np.uint8]:
    """Return one picture: two rows for each clip, true and generated by the averaged network, some frames of each."""
    vae = VideoVae.load(trainer.codecs.video)
    rows = []
    for number, clip in enumerate(clips):
        true = torch.from_numpy(clip.video).float()[None]
        made = _generate(trainer, clip, torch.Generator(trainer.device).manual_seed(number)).video.cpu()
        rows += [_strip(vae.decode(latent)) for latent in (true, made)]
    return np.concatenate(rows)


def _generate(trainer: Trainer, clip: Clip, generator: torch.Generator) -> Latents:
    ids, starts, durations = torch.from_numpy(clip.phonemes)[:, None].to(trainer.device)
    told, nothing = (
        velocity_of(trainer.ema, text=text[None], phonemes=Phonemes(ids.long(), starts, durations))
        for text in (torch.from_numpy(clip.text[0]).to(trainer.device).float(), trainer.null_text)
    )
    noise = Latents(
        video_noise((1, *clip.video.shape), shared=SAMPLER.shared_noise, generator=generator),
        torch.randn(1, *clip.audio.shape, generator=generator, device=trainer.device),
    )
    return denoise(
        told,
        noise,
        settings=SAMPLER,
        unconditional=nothing if SAMPLER.guidance else None,
        noise=gaussian(generator, shared=SAMPLER.shared_noise),
    )


def _strip(frames: Float[Tensor, "1 3 f h w"]) -> NDArray[np.uint8]:
    chosen = frames[:, :, torch.linspace(0, frames.shape[2] - 1, FRAMES_SHOWN).long()]
    return np.concatenate(list(to_bytes(chosen)), axis=1)


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode (h, w, 3) bytes."""
    opaque = np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2)
    image = skia.Image.fromarray(opaque, colorType=skia.kRGBA_8888_ColorType)
    return bytes(image.encodeToData())
