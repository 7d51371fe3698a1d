"""Lines of invented words: they hold every sound of English and no word of any prompt, so nothing can be known by heart."""

from __future__ import annotations

import functools
import re

import numpy as np

from happyhorse.world.lines import sample_line

_ONSETS = (
    "b bl br ch d dr f fl fr g gl gr h j k cl cr l m n p pl pr qu r s sh sk sl sm sn sp st str sw t th "
    "thr tr tw v w y z"
)
_NUCLEI = "a e i o u ee ay oy ow oo ar or er ir ai au oa ea igh ure ear"
_CODAS = (
    "b ck d ft g l ld lk lt m mp n nd ng nk nt nch p pt rd rm sh ss sk st t tch th the ve x zz ze ge ff "
    "ke se ne te"
)
_ENDINGS = "er ing y ed le en ow ous ion sion sure ture ly ment ness al ish"
SMALL = (
    "the this that they there then with other their them these those a an of to in on at and you I we it "
    "is was for my your his her our are what how from by all do"
)
"""Words without which nothing sounds like English; "th" is hardly ever voiced elsewhere."""
_SMALL_SHARE = 0.3


def invented_line(rng: np.random.Generator, *, num_words: int) -> str:
    """Return words that follow the rules of English spelling and mean nothing, in one or two sentences."""
    words = [_pick(rng, SMALL) if rng.random() < _SMALL_SHARE else _invented(rng) for _ in range(num_words)]
    if num_words > 4 and rng.random() < 0.5:
        words[num_words // 2] += _pick(rng, ", .")
    return f"{' '.join(words)}{_pick(rng, '. . ! ?')}"


def words_of(line: str) -> frozenset[str]:
    """Return the words of a line in lower case."""
    return frozenset(re.findall(r"[a-z']+", line.lower()))


@functools.cache
def worlds_words() -> frozenset[str]:
    """Every word that the world's people say."""
    rng = np.random.default_rng(0)
    return frozenset().union(*(words_of(sample_line(rng, seconds=5)) for _ in range(3000)))


def _invented(rng: np.random.Generator) -> str:
    while True:
        word = "".join(_syllable(rng) for _ in range(int(rng.integers(1, 3))))
        if rng.random() < 0.3:
            word += _pick(rng, _ENDINGS)
        if word not in worlds_words():
            return word


def _syllable(rng: np.random.Generator) -> str:
    onset = _pick(rng, _ONSETS) if rng.random() < 0.85 else ""
    coda = _pick(rng, _CODAS) if rng.random() < 0.6 else ""
    return onset + _pick(rng, _NUCLEI) + coda


def _pick(rng: np.random.Generator, words: str) -> str:
    options = words.split()
    return options[int(rng.integers(len(options)))]
