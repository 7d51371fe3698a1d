"""The engines that exist, as data: what each can do and what it costs. Planning reads this and never imports torch.

An engine that has loaded its weights replaces `weights_id`, `weights_hash` and its vocabulary with what the files say.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from happyhorse.engines.base import Capabilities, Cost
from happyhorse.engines.catalog_hosted import HOSTED
from happyhorse.engines.catalog_magihuman import MAGIHUMAN, MAGIHUMAN_BASE
from happyhorse.request import LANGUAGES
from happyhorse.shapes import RATIOS, RESOLUTIONS, ratio_value

# The two shapes that the weights were trained on; every other ratio is cut from the middle of one of them.
_NANO_SIZES = {ratio: (128, 224) if ratio_value(ratio) < 1 else (224, 128) for ratio in RATIOS}

_VOCABULARY = resources.files("happyhorse") / "model" / "vocabulary.txt"
"""A word nano knows in each line, or a word, a tab and attribute=value: what it draws instead."""
_SPOKEN_OF = {
    "subject=person": "a person in everyday clothes",
    "garment=any": "an everyday garment",
    "beard=yes": "a beard",
    "glasses=yes": "glasses",
    "hair_style=bun": "hair in a bun",
    "hair_style=buzz": "a buzz cut",
    "hair_style=long": "long hair",
}
"""Values that do not speak for themselves."""


def _read_vocabulary() -> tuple[frozenset[str], dict[str, str]]:
    lines = [
        line.split("\t") for line in _VOCABULARY.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    words = frozenset(line[0] for line in lines if len(line) == 1)
    stand_ins = {line[0]: line[1] for line in lines if len(line) == 2}
    return words, {word: _SPOKEN_OF.get(value, value.split("=")[1]) for word, value in stand_ins.items()}


_WORDS, _STAND_INS = _read_vocabulary()

NANO = Capabilities(
    engine="nano",
    weights_id="nano-v7",
    weights_hash="",
    modes=frozenset({"t2v", "i2v"}),
    languages=frozenset(LANGUAGES),
    resolutions=RESOLUTIONS,
    first_frame_note="nano moves pictures of its own illustrated kind; a photograph is shown still under camera and sound, or dissolves where someone in it is to speak",
    several_faces_note="nano knows one person, in the middle of the picture: a line is said by a face it draws there, and the others keep still",
    base_sizes=_NANO_SIZES,
    num_steps=8,
    sampler="renoise",
    text_tokens=16,
    phonemes_per_s=16.0,
    # Seconds are first guesses for two cores, until the first real run is measured; bytes are the peaks of whole commands.
    cost=Cost(
        load_s=4.0,
        token_step_s=3.0e-4,
        decode_s_per_mpx=0.5,
        encode_s_per_mpx=0.02,
        resident_bytes=870_000_000,
        bytes_per_token=6_000,
        bytes_per_pixel=95,
    ),
    vocabulary=_WORDS,
    stand_ins=_STAND_INS,
)

TESTCARD = Capabilities(
    engine="testcard",
    weights_id="none",
    weights_hash="",
    modes=frozenset({"t2v", "i2v", "r2v", "edit"}),
    languages=frozenset(LANGUAGES),
    resolutions=RESOLUTIONS,
    base_sizes={},
    num_steps=8,
    sampler="none",
    voice_track=True,
    speaks=False,
    cost=Cost(load_s=0.3, encode_s_per_mpx=0.02, resident_bytes=150_000_000, bytes_per_pixel=60),
)

CATALOG: Mapping[str, Capabilities] = {
    each.engine: each for each in (NANO, MAGIHUMAN, MAGIHUMAN_BASE, HOSTED, TESTCARD)
}
