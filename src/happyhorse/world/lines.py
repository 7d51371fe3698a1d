"""Sentences to be spoken in the world: a small grammar over a wide vocabulary, so that every English phoneme is common."""

from __future__ import annotations

import numpy as np

WORDS_PER_SECOND = 2.4

_OPENERS = (
    "Hello", "Hi there", "Good morning", "Good evening", "Welcome back", "Honestly", "Listen", "You know what", "Right now",
    "Today", "This week", "Guess what", "Okay", "Well", "By the way", "Thank you", "Believe me", "Look", "Every morning", "Last night",
)  # fmt: skip
_SUBJECTS = (
    "I", "we", "they", "you", "my brother", "my mother", "the teacher", "our neighbour", "the doctor", "this machine", "a small bird",
    "the weather", "the old house", "her garden", "his bicycle", "that movie", "the new phone", "our team", "the coffee", "the music",
    "the children", "my friend George", "the judge", "a young fox", "the engine", "the ocean", "the kitchen", "the train",
)  # fmt: skip
_VERBS = (
    "found", "made", "changed", "watched", "carried", "followed", "enjoyed", "painted", "opened", "brought", "pushed", "measured",
    "fixed", "lost", "kept", "showed", "built", "chose", "saved", "shook", "washed", "caught", "heard", "moved", "asked for",
)  # fmt: skip
_OBJECTS = (
    "a fresh idea", "the whole story", "something better", "the blue box", "my favourite shoes", "a cheap ticket", "the yellow door",
    "a very good answer", "the wrong key", "some warm bread", "this little thing", "three green apples", "the first prize", "a quiet place",
    "your voice", "a huge surprise", "the last page", "nothing at all", "an easy recipe", "the south bridge", "half the money", "a pair of gloves",
    "the river path", "more than a hundred flowers", "fish and chips", "the best view in town", "a treasure map", "twelve fat frogs",
)  # fmt: skip
_ENDINGS = (
    "today", "again", "this morning", "in the rain", "with both hands", "for you", "without a sound", "before lunch", "at the station", "by the sea",
    "on Thursday", "all night long", "much too late", "near the church", "in five minutes", "with great pleasure", "under the table", "so far",
    "after the show", "just in time", "over there", "in July", "like a king", "out of love",
)  # fmt: skip
_SHORT = (
    "how are you", "what a beautiful day", "this is amazing", "please follow me", "let us begin", "I love this place", "see you tomorrow",
    "nice to meet you", "that sounds great", "here is the news", "take a closer look", "I cannot believe it", "thanks for watching",
    "we are open now", "stay a while", "this changed everything", "it works every time", "join us tonight", "do you hear that",
    "everything is ready", "give it a try", "my name is Alice", "my name is Oliver", "it is twelve ninety nine", "just relax and breathe",
)  # fmt: skip


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _clause(rng: np.random.Generator) -> str:
    if rng.random() < 0.35:
        return _pick(rng, _SHORT)
    clause = f"{_pick(rng, _SUBJECTS)} {_pick(rng, _VERBS)} {_pick(rng, _OBJECTS)}"
    return f"{clause} {_pick(rng, _ENDINGS)}" if rng.random() < 0.5 else clause


def _sentence(rng: np.random.Generator) -> str:
    clause = _clause(rng)
    text = f"{_pick(rng, _OPENERS)}, {clause}" if rng.random() < 0.4 else clause
    mark = "?" if text.split(", ")[-1].startswith(("how ", "do ")) else _pick(rng, (".", ".", "!"))
    return text[0].upper() + text[1:] + mark


def sample_line(rng: np.random.Generator, *, seconds: float) -> str:
    """Return one to three sentences that a calm voice can say within `seconds`."""
    budget = max(2, int(seconds * WORDS_PER_SECOND))
    line = ""
    for _ in range(12):
        longer = f"{line} {_sentence(rng)}".strip()
        if len(longer.split()) <= budget:
            line = longer
        if line and (len(line.split()) > 0.7 * budget or rng.random() < 0.3):
            break
    return line or _pick(rng, ("Hello.", "Thank you.", "Good morning.", "Welcome back.", "Over there."))
