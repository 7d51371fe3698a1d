"""What a transformer is: one frozen ModelConfig per size. Torch-free, so plans and checkpoints can read it cheaply.

`nano` and `15b` are two values of one class: the small one exercises the code of the large one. Additions that only
nano uses (rope_theta, time_scale, roles, phonemes) have defaults that leave the published network as it is.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

CoordsStyle = Literal["v1", "v2"]


@dataclass(frozen=True)
class ModelConfig:
    """Every dimension of a Transformer. Source: specs/model.md 1.1; the last six fields: nano's additions, docs/flow.md.

    `*_channels` are widths of one token, not of one latent: a video token holds 1x2x2 latents. `num_kv_heads` divides
    `num_heads`. `modality_layers` own one block of weights per modality; `gelu7_layers` have GELU7 where the others have
    SwiGLU7; in `windowed_layers` a video token sees only the latent frames within `frame_receptive_field` of its own.
    """

    num_layers: int
    hidden: int
    head_dim: int
    num_heads: int
    num_kv_heads: int
    video_channels: int
    audio_channels: int
    text_channels: int
    modality_layers: tuple[int, ...]
    gelu7_layers: tuple[int, ...]
    windowed_layers: tuple[int, ...] = ()
    frame_receptive_field: int = 11
    coords_style: CoordsStyle = "v2"
    rope_theta: float = 10000.0
    time_scale: float = 1.0
    num_roles: int = 0
    num_phonemes: int = 0
    predicts_clean: bool = False
    keeps_first_frame: bool = False

    def __post_init__(self) -> None:
        for name in (
            "num_layers",
            "hidden",
            "num_heads",
            "num_kv_heads",
            "video_channels",
            "audio_channels",
            "text_channels",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads {self.num_kv_heads} does not divide num_heads {self.num_heads}")
        if self.head_dim < 8:
            raise ValueError(f"head_dim is {self.head_dim}; it must be at least 8")
        if self.video_channels % 4:
            raise ValueError(
                f"video_channels is {self.video_channels}; a token holds 2x2 latents, so 4 must divide it"
            )
        if self.coords_style not in ("v1", "v2"):
            raise ValueError(f"coords_style is {self.coords_style!r}; it must be 'v1' or 'v2'")
        if self.keeps_first_frame and not self.predicts_clean:
            raise ValueError("keeps_first_frame needs predicts_clean: a first frame is kept in what is clean")
        for name in ("modality_layers", "gelu7_layers", "windowed_layers"):
            wrong = [i for i in getattr(self, name) if not 0 <= i < self.num_layers]
            if wrong:
                raise ValueError(f"{name} names layers {wrong}; there are {self.num_layers}, counted from 0")

    @property
    def latent_channels(self) -> int:
        """Channels of one video latent."""
        return self.video_channels // 4

    def mlp_width(self, layer: int) -> int:
        """Inner width of a layer's MLP, after the activation."""
        return 4 * self.hidden if layer in self.gelu7_layers else self.hidden * 8 // 3 // 4 * 4

    def to_dict(self) -> dict[str, int | float | str | list[int]]:
        """Return plain values, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ModelConfig":
        """Read what to_dict wrote. Raises: ValueError naming an unknown, missing or mistyped key."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown keys {unknown} in the model config; known: {known}")
        read: dict[str, object] = {}
        for name, value in values.items():
            read[name] = tuple(value) if isinstance(value, list) else value
            scalar = type(getattr(_15B, name))
            if not isinstance(read[name], (int, float) if scalar is float else scalar):
                raise ValueError(
                    f"{name} is {value!r} in the model config; it must be of type {scalar.__name__}"
                )
        try:
            return cls(**read)  # type: ignore[arg-type]
        except TypeError as err:
            raise ValueError(f"incomplete model config: {err}") from err


_15B = ModelConfig(
    num_layers=40,
    hidden=5120,
    head_dim=128,
    num_heads=40,
    num_kv_heads=8,
    video_channels=192,
    audio_channels=64,
    text_channels=3584,
    modality_layers=(0, 1, 2, 3, 36, 37, 38, 39),
    gelu7_layers=(0, 1, 2, 3),
)
# One rotary unit is 40 ms (time_scale 4): at the published 160 ms neighbouring phonemes look alike. design/nano.md 2.
_NANO = ModelConfig(
    num_layers=8,
    hidden=256,
    head_dim=64,
    num_heads=4,
    num_kv_heads=4,
    video_channels=384,
    audio_channels=64,
    text_channels=256,
    modality_layers=(0, 7),
    gelu7_layers=(0,),
    rope_theta=100.0,
    time_scale=4.0,
    num_roles=4,
    num_phonemes=256,
    predicts_clean=True,
    keeps_first_frame=True,
)

PRESETS: dict[str, ModelConfig] = {"nano": _NANO, "15b": _15B}
FULL_ATTENTION = range(3, 32, 4)
"""The layers of the 1080p network that see every frame; the others see a window. Source: specs/model.md 1.9."""
