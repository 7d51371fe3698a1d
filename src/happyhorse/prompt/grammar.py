# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""How languages with spaces between words say who does what where: the cut of a clause that is not about camera, sound or style.

English, German and French by the verb and by prepositions before the name of a place (`grammar_cjk.py` has the others). Rules of thumb
over words, not a parser: what they do not see stays with its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from happyhorse.prompt.lexicon import ENGLISH_BASES, Part, word_set
from happyhorse.prompt.tokens import Kind, Token
from happyhorse.request import Language

Piece = tuple[Part | None, int, int]
Tokens = Sequence[Token]

JOINS = word_set("and while as whereas then where und wobei während et pendant puis with but")
CONJUNCTIONS = word_set("while as wobei während pendant whereas where")
PRONOUNS = word_set("he she it they we i you er sie es wir ils elles il elle on l'un l'une")
RELATIVES = word_set("which who whose that qui dont")
POSSESSIVES = word_set("his her its their sein seine ihr ihre son sa ses leur leurs")
DETERMINERS = word_set(
    "a an the his her its their our my this that these those each every some no ein eine einen einem einer der die das den dem des "
    "le la les un une des du de sein seine ihr ihre son sa ses"
)
GENITIVES = word_set("des der eines einer")
PREPOSITIONS = word_set(
    "in on at inside outside through across along under beneath beside by over above behind near around among between against within "
    "past amid onto into upon from auf am im unter über vor hinter neben zwischen durch entlang bei nach mitten aus zur zum "
    "dans sur sous devant derrière entre chez près à au aux parmi vers contre par depuis après avant"
)
MODALS = word_set("to and will can should must may do does > then")
AUXILIARIES = word_set("is are was were has have had")
NOT_VERB_AFTER = DETERMINERS | {"of", "very", "more", "most", "to"}
PICTURE_OF = word_set("of follows following around circles tracks tracking follow behind on")
COUNTS = word_set("a an the two three four five")
NUMBERS = word_set("two three four five six seven eight nine ten")
PICTURES = word_set(
    "scene shot view image picture photo footage time-lapse timelapse close-up animation anime"
)
MAX_CLAUSE = 80
"""Tokens; a longer clause is cut, which bounds the work on it."""
THEMES: tuple[Part, ...] = ("camera", "audio", "style")


def theme_of(tokens: Tokens) -> Part | None:
    """Of camera, audio and style the one that most of the words speak of, if one word is sure of it or all of them hint at it."""
    weights: dict[Kind, list[int]] = {}
    for token in tokens:
        if token.kind in THEMES:
            weights.setdefault(token.kind, []).append(token.weight)
    best: Part | None = None
    most = 0
    for part in THEMES if weights else ():
        found = weights.get(part, ())
        total = sum(found)
        if total > most and (max(found) >= 2 or 1 < len(found) == _num_words(tokens)):
            best, most = part, total
    return best


def _num_words(tokens: Tokens) -> int:
    return sum(token.text[0].isalnum() for token in tokens)


def weight_of(tokens: Tokens, part: Part) -> int:
    return sum(token.weight for token in tokens if token.kind == part)


def verb_at(tokens: Tokens, language: Language) -> int | None:
    """Where the first verb stands."""
    for index, token in enumerate(tokens):
        if language == "fr" and 0 < index < len(tokens) and _looks_french(tokens, index):
            return index
        if language == "en" and 1 < index < len(tokens) - 1 and _looks_like_verb(tokens, index):
            return index
        if token.verb and (
            _is_english_verb(tokens, index)
            if language == "en"
            else not index or tokens[index - 1].text not in DETERMINERS
        ):
            return index
    return None


def is_relative(tokens: Tokens, language: Language) -> bool:
    """Whether a clause tells more of what the one before it named: "who pours the tea", "die im Takt atmet"."""
    if language != "de":
        return tokens[0].text in RELATIVES
    says = [token for token in tokens if token.text[0].isalnum()]
    opening = [token.text for token in says[:2]]
    pronoun = bool(opening) and (
        opening[0] in _GERMAN_RELATIVES or (opening[0] in PREPOSITIONS and opening[-1] in _GERMAN_RELATIVES)
    )
    return pronoun and len(says) > 2 and verb_at(says, language) in (None, len(says) - 1)


_GERMAN_RELATIVES = word_set("der die das dem den deren dessen denen welche welcher welches")


def _looks_french(tokens: Tokens, index: int) -> bool:
    """An unknown word between a noun and an article, or in -ent after a plural: "un robot arrose des fleurs"."""
    token, before = tokens[index], tokens[index - 1].text
    if token.kind is not None or before in DETERMINERS | PREPOSITIONS:
        return False
    if before.endswith("s") and len(token.text) > 5 and token.text.endswith("ent"):
        return True
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return (
        index >= 2
        and token.text.endswith("e")
        and after in _FRENCH_ARTICLES
        and tokens[0].text in DETERMINERS
    )


_FRENCH_ARTICLES = word_set("un une le la les des son sa ses leur leurs")


def _is_english_verb(tokens: Tokens, index: int) -> bool:
    word = tokens[index].text
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    possessed = before.endswith(("'s", "’s"))
    if possessed or before in NUMBERS or (before in NOT_VERB_AFTER and not (before == "to" and index > 1)):
        return False
    if word in ENGLISH_BASES:
        ordered = all(is_adverb(token) for token in tokens[:index])  # "Slowly move sideways"
        return ordered or before in MODALS | PRONOUNS or _is_plural(tokens[:index])
    if word.endswith("ed"):
        return index > 0 and before not in PREPOSITIONS and not _is_attribute(tokens, index)
    if word.endswith("ing"):
        return before not in PREPOSITIONS and not _is_attribute(tokens, index)
    if index >= 2 and tokens[0].text not in DETERMINERS | PRONOUNS and word not in AUXILIARIES:
        return after != "" and after not in JOINS  # "calm hand gestures" has no verb
    return True


def _is_attribute(tokens: Tokens, index: int) -> bool:
    """A participle that belongs to the noun after it: "a silver glowing orb rotates", "covered by vines" after a place."""
    word, rest = tokens[index].text, tokens[index + 1 : index + 3]
    if word.endswith("ed"):
        if tokens[0].text in PREPOSITIONS and rest and rest[0].text in ("by", "with"):
            return True
        noun = bool(rest) and rest[0].text[0].isalpha() and rest[0].text not in DETERMINERS | PREPOSITIONS
        return noun and index <= 1 and not rest[0].text.endswith("ly")
    return (
        index > 0 and len(rest) == 2 and rest[0].kind is None and rest[1].verb and rest[1].text.endswith("s")
    )


_PLURALS = word_set("men women people children feet mice geese fish sheep deer police couple crowd")


_LIKE_ADVERBS = word_set(
    "family fly butterfly dragonfly firefly belly jelly lily early only lovely friendly elderly curly ugly holy supply assembly"
)


def is_adverb(token: Token) -> bool:
    """Whether an English word tells how something is done: "slowly"."""
    return token.text.endswith("ly") and len(token.text) > 4 and token.text not in _LIKE_ADVERBS


def _is_plural(subject: Tokens) -> bool:
    place = next((i for i, t in enumerate(subject) if i and t.text in PREPOSITIONS), len(subject))
    return _ends_in_plural(subject) or (place < len(subject) and _ends_in_plural(subject[:place]))


def _ends_in_plural(subject: Tokens) -> bool:
    last = subject[-1].text
    several = any(token.text == "and" for token in subject) and last not in JOINS
    return (
        several
        or last in _PLURALS
        or (last.endswith("s") and last[-2:-1] not in ("'", "’") and not last.endswith(("ss", "us", "is")))
    )


def _looks_like_verb(tokens: Tokens, index: int) -> bool:
    """An unknown word in -s after a noun and before an article, or after an adverb: "the crab scuttles over"."""
    token, before, after = tokens[index], tokens[index - 1].text, tokens[index + 1].text
    if token.kind is not None or len(token.text) < 4 or not re.search("[^su']s$", token.text):
        return False
    if before.endswith("ly"):
        return True
    opens = tokens[0].text in DETERMINERS | PRONOUNS and index >= 2
    return opens and before not in DETERMINERS and after in DETERMINERS | PREPOSITIONS - {"of"}


def with_places(part: Part, tokens: Tokens) -> Iterator[Piece]:
    """A part with the places named in it: "walks | along a quiet canal | , whistling"."""
    start = 0
    index = 1 if part == "subject" else 0
    while index < len(tokens):
        token = tokens[index]
        if token.text in PREPOSITIONS and index + 1 < len(tokens):
            end = index + 1
            while end < len(tokens) and not _ends_place(tokens, end, index):
                end += 1
            if any(t.kind == "environment" for t in tokens[index:end]):
                if index > start:
                    yield part, tokens[start].start, tokens[index - 1].end
                yield "environment", token.start, tokens[end - 1].end
                start = index = end
                continue
        index += 1
    if start < len(tokens):
        yield part, tokens[start].start, tokens[-1].end


def _ends_place(tokens: Tokens, index: int, first: int) -> bool:
    token = tokens[index]
    if (
        token.text.endswith("ed")
        and index + 1 < len(tokens)
        and tokens[index + 1].text in ("by", "with", "in", "from")
    ):
        return False
    if token.text in JOINS or token.verb:
        return index > first + 1 and tokens[index - 1].text not in DETERMINERS
    return token.text in PREPOSITIONS and index > first + 1
