"""Latents, prompt features and phonemes <-> one PackedSequence [video | audio | text], the transformer's only input.

Axes: b batch, c latent channels, t h w latent frames, height, width, n rows, a audio rows, m prompt rows, p phonemes.
Everything that depends on shapes alone (coords) is cached: training calls `pack` thousands of times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from happyhorse.model.config import ModelConfig
from happyhorse.model.rope import coords_of, positions_of, video_coords
from happyhorse.shapes import PATCH, LatentShape

TARGET, REFERENCE, SOURCE = 0, 1, 2
"""Role ids of video rows: what is generated, clean pictures of subjects, the clean video that is edited."""


class Latents(NamedTuple):
    """What the network denoises, and also its velocity: pictures and sound of one clip."""

    video: Float[Tensor, "b c t h w"]
    audio: Float[Tensor, "b a ca"]


@dataclass(frozen=True)
class Phonemes:
    """Speech on the clip's own clock. Id 0 is padding, which attends like any other row.

    `starts` count latent frames (0.16 s), so audio latent i begins at i / 4; `log_durations` are ln(seconds).
    """

    ids: Int[Tensor, "b p"]
    starts: Float[Tensor, "b p"]
    log_durations: Float[Tensor, "b p"]


@dataclass(frozen=True)
class PackedSequence:
    """One batch of equally long sequences. Video rows are target, then references, then source, told apart by `roles`.

    `text` holds prompt rows; phoneme rows follow them in the sequence but enter the network as ids and durations.
    `positions` multiply the rotary bands; their batch is 1 where all samples share them. `first_frame` holds the clean tokens of
    latent frame 0, for a network that looks at them from every frame; zero for samples that have none.
    """

    video: Float[Tensor, "b v cv"]
    audio: Float[Tensor, "b a ca"]
    text: Float[Tensor, "b m ct"]
    positions: Float[Tensor, "#b n 3"]
    grid: LatentShape
    roles: Int[Tensor, " v"] | None = None
    phonemes: Phonemes | None = None
    first_frame: Float[Tensor, "b f cv"] | None = None

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows of each modality: video, audio, text."""
        num_phonemes = 0 if self.phonemes is None else self.phonemes.ids.shape[1]
        return self.video.shape[1], self.audio.shape[1], self.text.shape[1] + num_phonemes


def pack(
    config: ModelConfig,
    *,
    video: Float[Tensor, "b c t h w"],
    audio: Float[Tensor, "b a ca"],
    text: Float[Tensor, "b m ct"],
    phonemes: Phonemes | None = None,
    references: Sequence[Float[Tensor, "b c _tr _hr _wr"]] = (),
    source: Float[Tensor, "b c t h w"] | None = None,
    first_frame: Float[Tensor, "b c 1 h w"] | None = None,
) -> PackedSequence:
    """Lay one batch out as rows: noisy target and sound, then everything it is conditioned on.

    Args:
        references: clean latents of pictures, any size; number i stands i + 1 latent frames before the clip.
        source: clean latents of the video to edit; it shares the target's coordinates and differs by its role.
        first_frame: clean latent frame 0; ignored by a config that does not keep it.
    Raises: ValueError if the config has no roles or phonemes and some are given, or if an extent is odd.
    """
    if (references or source is not None) and config.num_roles <= SOURCE:
        raise ValueError(f"references and source need {SOURCE + 1} roles; this config has {config.num_roles}")
    if phonemes is not None and not config.num_phonemes:
        raise ValueError("this config has no phonemes")
    grid = _grid_of(video)
    others = [*references, *([] if source is None else [source])]
    rows = patchify(video)
    if others:
        rows = torch.cat([rows, *(patchify(other) for other in others)], dim=1)
    shapes = tuple(_grid_of(reference) for reference in references)
    positions, roles = _positions_and_roles(
        config, grid=grid, references=shapes, with_source=source is not None, num_audio=audio.shape[1], num_text=text.shape[1]
    )  # fmt: skip
    positions, roles = positions.to(video.device), roles.to(video.device)
    if phonemes is not None:
        at_speech = torch.stack(
            [phonemes.starts * config.time_scale, *[torch.zeros_like(phonemes.starts)] * 2], dim=-1
        )
        positions = torch.cat([positions.expand(len(video), -1, -1), at_speech.float()], dim=1)
    first = patchify(first_frame) if first_frame is not None and config.keeps_first_frame else None
    return PackedSequence(
        rows, audio, text, positions, grid, roles if config.num_roles else None, phonemes, first
    )


def unpack(rows: Float[Tensor, "b v cv"], audio: Float[Tensor, "b a ca"], *, grid: LatentShape) -> Latents:
    """Return the latents of the network's output rows; rows after the target's (references, source) are dropped."""
    return Latents(unpatchify(rows[:, : grid.num_tokens], grid=grid), audio)


def patchify(latent: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b n _"]:
    """Cut a latent into 1x2x2 tokens, frame by frame, row by row. Features are channel-major: c, then dy, then dx."""
    return rearrange(latent, "b c t (h dy) (w dx) -> b (t h w) (c dy dx)", dy=PATCH, dx=PATCH)


def as_output(rows: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
    """Bring the features of input tokens into the order of output tokens: channel-major to patch-major."""
    return rearrange(rows, "b n (c p) -> b n (p c)", p=PATCH * PATCH)


def unpatchify(rows: Float[Tensor, "b n _"], *, grid: LatentShape) -> Float[Tensor, "b c t h w"]:
    """Put output tokens back on the grid. Their features are patch-major: dy, then dx, then c, unlike the input's.

    The published heads were trained so; `patchify` is therefore not the inverse. Source: specs/model.md 1.3.
    """
    h, w = grid.height // PATCH, grid.width // PATCH
    return rearrange(
        rows, "b (t h w) (dy dx c) -> b c t (h dy) (w dx)", t=grid.frames, h=h, w=w, dy=PATCH, dx=PATCH
    )


@lru_cache(maxsize=256)
def _positions_and_roles(
    config: ModelConfig,
    *,
    grid: LatentShape,
    references: tuple[LatentShape, ...],
    with_source: bool,
    num_audio: int,
    num_text: int,
) -> tuple[Float[Tensor, "1 n 3"], Int[Tensor, " v"]]:
    # A tensor born in inference mode could not be used for training later.
    with torch.inference_mode(mode=False):
        published = positions_of(
            coords_of(grid, num_audio=num_audio, num_text=num_text, style=config.coords_style)
        )
        target, rest = published[: grid.num_tokens], published[grid.num_tokens :]
        before = torch.tensor([1.0, 0.0, 0.0], device="cpu")
        pictures = [
            positions_of(video_coords(shape)) - (i + 1) * before for i, shape in enumerate(references)
        ]
        clean = [*pictures, *([target] if with_source else [])]
        roles = (
            [TARGET] * len(target)
            + [REFERENCE] * sum(map(len, pictures))
            + [SOURCE] * len(target) * with_source
        )
        scale = torch.tensor([config.time_scale, 1.0, 1.0], device="cpu")
        positions = torch.cat([target, *clean, rest]) * scale
        return positions[None], torch.tensor(roles, dtype=torch.long, device="cpu")


def _grid_of(latent: Float[Tensor, "b c t h w"]) -> LatentShape:
    frames, height, width = latent.shape[2:]
    if height % PATCH or width % PATCH:
        raise ValueError(f"a latent of {height}x{width} does not divide into {PATCH}x{PATCH} tokens")
    return LatentShape(frames, height, width)
