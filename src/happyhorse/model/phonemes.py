"""Spoken phonemes -> the rows that carry speech into the network, on the clip's own clock."""

import math
from collections.abc import Iterable

import torch

from happyhorse.model.pack import Phonemes
from happyhorse.shapes import AUDIO_LATENT_RATE, FPS, TIME_STRIDE

ROWS_PER_SECOND = 16
PAD_ID = 0
MIN_DURATION_S = 0.01

Spoken = tuple[int, float, float]
"""Phoneme id, start and duration in seconds from the start of the clip."""


def num_phoneme_rows(num_audio: int) -> int:
    """Phoneme rows of a clip of this many audio latents: 16 a second, at least one."""
    return max(1, math.ceil(ROWS_PER_SECOND * num_audio / AUDIO_LATENT_RATE))


def phonemes_of(spoken: Iterable[Spoken], *, num_audio: int) -> Phonemes:
    """Return one sample's phoneme rows (batch 1): those heard within the clip, then padding; surplus ones are left out."""
    end_s = num_audio / AUDIO_LATENT_RATE
    heard = [one for one in spoken if one[1] < end_s and one[1] + one[2] > 0]
    count = num_phoneme_rows(num_audio)
    ids = torch.full((1, count), PAD_ID)
    starts, log_durations = torch.zeros(1, count), torch.zeros(1, count)
    for i, (identity, start_s, duration_s) in enumerate(heard[:count]):
        ids[0, i] = identity
        starts[0, i] = start_s * FPS / TIME_STRIDE
        log_durations[0, i] = math.log(max(duration_s, MIN_DURATION_S))
    return Phonemes(ids, starts, log_durations)
