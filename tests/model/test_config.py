"""ModelConfig: what goes into a checkpoint comes back, and nonsense is named."""

import json

import pytest
from hypothesis import given
from strategies import dimensions

from happyhorse.model.config import PRESETS, ModelConfig


@given(dims=dimensions())
def test_json_brings_it_back(dims: dict[str, object]) -> None:
    config = ModelConfig.from_dict(dims)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_published_widths() -> None:
    config = PRESETS["15b"]
    assert (config.mlp_width(0), config.mlp_width(4), config.latent_channels) == (20480, 13652, 48)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "colour"),
        ({"hidden": "320"}, "hidden is '320'"),
        ({"hidden": 0}, "hidden is 0"),
        ({"num_kv_heads": 3}, "does not divide"),
        ({"coords_style": "v3"}, "v3"),
        ({"modality_layers": [8]}, r"layers \[8\]"),
        ({"video_channels": 6}, "video_channels is 6"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(PRESETS["nano"].to_dict() | change)


def test_a_missing_value_is_named() -> None:
    values = PRESETS["nano"].to_dict()
    del values["hidden"]
    with pytest.raises(ValueError, match="hidden"):
        ModelConfig.from_dict(values)
