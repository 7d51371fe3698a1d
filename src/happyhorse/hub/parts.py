"""The parts of the 15 B engine's weights: where each is published, how large it is, under which terms. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from happyhorse.errors import InvalidRequest

GB = 1_000_000_000
ENGINES = ("magihuman",)


@dataclass(frozen=True)
class Licence:
    """Terms of a part, in one line, and where they stand."""

    name: str
    summary: str
    url: str


APACHE = Licence("Apache-2.0", "free for any use, with notice", "https://www.apache.org/licenses/LICENSE-2.0")
GEMMA = Licence(
    "Gemma Terms of Use",
    "free use under Google's use policy; passed on with every copy",
    "https://ai.google.dev/gemma/terms",
)
STABILITY = Licence(
    "Stability AI Community License",
    "free for yearly revenue up to USD 1,000,000; above that a paid licence is needed",
    "https://stability.ai/license",
)


@dataclass(frozen=True)
class Part:
    """One folder of weights.

    `folder` is where its files lie below the engine's folder, `prefix` where they lie in the repository (with a slash, or
    empty); of these files those that match one of `patterns` are used. `expected_bytes` is what its makers or users report:
    the hub says exactly, and is asked before anything is downloaded.
    """

    name: str
    purpose: str
    repo: str
    prefix: str
    patterns: tuple[str, ...]
    expected_bytes: int
    licence: Licence
    gated: bool = False
    optional: bool = False
    other_names: tuple[str, ...] = ()
    """Where else the part may lie below a folder that a user already has."""

    @property
    def page(self) -> str:
        """Where a person accepts the terms of a gated part."""
        return f"https://huggingface.co/{self.repo}"


_RELEASE = "GAIR/daVinci-MagiHuman"
_SHARDS = ("*.safetensors", "*.safetensors.index.json", "config.json")


def _network(name: str, purpose: str, size: float, *, optional: bool = False) -> Part:
    """A transformer; FastVideo puts the two words of super-resolution the other way round."""
    others = ("_".join(reversed(name.split("_"))), f"{name}_fp8", f"{name}-fp8")
    return Part(
        name,
        purpose,
        _RELEASE,
        f"{name}/",
        _SHARDS,
        int(size * GB),
        APACHE,
        optional=optional,
        other_names=others,
    )


PARTS: tuple[Part, ...] = (
    _network("distill", "engine magihuman: 8 steps", 61.2),
    _network("base", "engine magihuman-base: 32 steps with guidance", 30.6, optional=True),
    _network("540p_sr", "480P and 720P", 61.2),
    _network("1080p_sr", "1080P", 61.2),
    Part("turbo_vae", "latents to pictures", _RELEASE, "turbo_vae/", ("*.json", "*.ckpt"), 2 * GB, APACHE),
    Part(
        "text_encoder",
        "reads the prompt",
        "google/t5gemma-9b-9b-ul2",
        "",
        ("*.safetensors", "*.json", "tokenizer.model"),
        41 * GB,
        GEMMA,
        gated=True,
        other_names=("t5gemma-9b-9b-ul2", "t5/t5gemma-9b-9b-ul2"),
    ),
    Part(
        "wan_vae",
        "first frames to latents",
        "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
        "vae/",
        ("*.safetensors", "config.json"),
        int(2.8 * GB),
        APACHE,
        other_names=("Wan2.2-TI2V-5B-Diffusers/vae", "vae"),
    ),
    Part(
        "audio_vae",
        "latents to sound, voice to latents",
        "stabilityai/stable-audio-open-1.0",
        "",
        ("model.safetensors", "model_config.json"),
        int(4.9 * GB),
        STABILITY,
        gated=True,
        other_names=("stable-audio-open-1.0", "audio/stable-audio-open-1.0"),
    ),
)


NETWORKS = ("distill", "base", "540p_sr", "1080p_sr")
"""Names of the parts that are transformers."""


def find_parts(engine: str, names: Sequence[str] = ()) -> tuple[Part, ...]:
    """Return the named parts of an engine, or all that are not optional. Raises: InvalidRequest for a name that is none."""
    if engine not in ENGINES:
        rest = "; its own network is part base of magihuman" if engine == "magihuman-base" else ""
        raise InvalidRequest(
            f"weights are published for engine {' or '.join(ENGINES)} alone; got '{engine}'{rest}",
            field="engine",
        )
    known = {part.name: part for part in PARTS}
    for name in names:
        if name not in known:
            raise InvalidRequest(f"part must be one of {', '.join(known)}; got '{name}'", field="part")
    return tuple(known[name] for name in names) or tuple(part for part in PARTS if not part.optional)
