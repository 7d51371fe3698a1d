"""The voices: languages, espeak-ng's names for them, and how they are set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Voice:
    """One way to speak. `pitch` and `range` are espeak-ng's 0..99, 50 as the voice was made."""

    name: str
    language: str
    espeak_voice: str
    gender: Literal["female", "male"]
    rate_wpm: int = 160
    pitch: int = 50
    range: int = 80


# Variants were chosen by measure: how well a linear classifier tells the phonemes of unheard sentences apart. f1, m1, m3
# and m7 lead (94-96 %); f3 adds an echo (93 %); the Klatt synthesisers are not clearer (93-94 %). Rates of 150 to 175 and
# any range do equally well; a wide range is less monotonous. Where pitch carries tone, it stays moderate.
_VOICES = (
    Voice("en-us-female", "en", "en-us+f1", "female"),
    Voice("en-us-male", "en", "en-us+m3", "male"),
    Voice("en-us-female-2", "en", "en-us+Annie", "female", pitch=45, range=55),
    Voice("en-us-male-2", "en", "en-us+m7", "male", pitch=65),
    Voice("en-gb-female", "en", "en+f2", "female"),
    Voice("en-gb-male", "en", "en+m1", "male"),
    Voice("zh-female", "zh", "cmn+f1", "female", rate_wpm=195, range=60),
    Voice("zh-male", "zh", "cmn+m3", "male", rate_wpm=195, range=60),
    Voice("yue-female", "yue", "yue+f1", "female", rate_wpm=175, range=60),
    Voice("yue-male", "yue", "yue+m3", "male", rate_wpm=175, range=60),
    Voice("ja-female", "ja", "ja+f1", "female"),
    Voice("ja-male", "ja", "ja+m3", "male"),
    Voice("ko-female", "ko", "ko+f1", "female", rate_wpm=190),
    Voice("ko-male", "ko", "ko+m3", "male", rate_wpm=190),
    Voice("de-female", "de", "de+f1", "female"),
    Voice("de-male", "de", "de+m3", "male"),
    Voice("fr-female", "fr", "fr+f1", "female"),
    Voice("fr-male", "fr", "fr+m3", "male"),
)
VOICES: dict[str, Voice] = {voice.name: voice for voice in _VOICES}
