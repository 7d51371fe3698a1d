"""The four networks of the 15 B release: sizes that their files do not carry, and how each is run.

Source: specs/model.md 1.4, 1.9, 4.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from happyhorse.model import superres
from happyhorse.model.config import FULL_ATTENTION, PRESETS, ModelConfig
from happyhorse.model.sampler import Guidance, SamplerSettings


@dataclass(frozen=True)
class Network:
    """One published transformer."""

    config: ModelConfig
    sampler: SamplerSettings


def networks_of(base: ModelConfig) -> Mapping[str, Network]:
    """Return the four networks by the name of their folder, for the published sizes or for shrunken ones."""
    refining = replace(base, coords_style="v1")
    windowed = tuple(layer for layer in range(base.num_layers) if layer not in FULL_ATTENTION)
    return {
        "distill": Network(base, SamplerSettings("renoise", 8, 5.0)),
        "base": Network(
            base,
            SamplerSettings(
                "unipc", 32, 5.0, Guidance(video=5.0, audio=5.0, video_late=2.0, late_from_t=500)
            ),
        ),
        "540p_sr": Network(refining, superres.SETTINGS),
        "1080p_sr": Network(replace(refining, windowed_layers=windowed), superres.SETTINGS),
    }


NETWORKS = networks_of(PRESETS["15b"])
