"""The sizes of a network under the names that the published layouts give them. Torch-free."""

import json
from collections.abc import Mapping
from pathlib import Path

from happyhorse.errors import Unsupported, WeightsMissing
from happyhorse.model.config import CoordsStyle, ModelConfig


def config_from_published(
    arch: Mapping[str, object], *, frame_receptive_field: int = 11, coords_style: CoordsStyle = "v2"
) -> ModelConfig:
    """Read sizes under their published names. Raises: Unsupported for features that no published model has."""
    fixed = {"enable_attn_gating": True, "activation_type": "swiglu7", "post_norm_layers": []}
    for name, only in fixed.items():
        if arch.get(name) not in (None, only):
            raise Unsupported(f"{name} is {arch[name]!r}; only {only!r} is supported")
    try:
        hidden, head_dim = _int(arch["hidden_size"]), _int(arch["head_dim"])
        return ModelConfig(
            num_layers=_int(arch["num_layers"]),
            hidden=hidden,
            head_dim=head_dim,
            num_heads=_int(arch.get("num_heads_q", hidden // head_dim)),
            num_kv_heads=_int(arch["num_heads_kv"] if "num_heads_kv" in arch else arch["num_query_groups"]),
            video_channels=_int(arch["video_in_channels"]),
            audio_channels=_int(arch["audio_in_channels"]),
            text_channels=_int(arch["text_in_channels"]),
            modality_layers=_ints(arch["mm_layers"]),
            gelu7_layers=_ints(arch["gelu7_layers"]),
            windowed_layers=_ints(arch.get("local_attn_layers") or ()),
            frame_receptive_field=frame_receptive_field,
            coords_style=coords_style,
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as err:
        raise Unsupported(f"the sizes of the network are incomplete or wrong: {err}") from err


def read_config(file: Path) -> ModelConfig | None:
    """Read a config.json; None where there is none or it says nothing. Raises: WeightsMissing."""
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_text())
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        return config_from_published(values) if values else None
    except (ValueError, Unsupported) as err:
        raise WeightsMissing(f"{file} does not describe this network: {err}") from err


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _ints(value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is not a list")
    return tuple(map(_int, value))
