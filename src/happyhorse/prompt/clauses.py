"""Prose without labels: cut into clauses, each clause given to the part that its words speak of.

A clause about camera, sound or style goes there as a whole. What is left tells who does what where, and is cut by the grammar of
its language: before the verb stands the subject, a preposition (or particle) and the name of a place make the environment. A
fragment that tells nothing goes with its neighbour in the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from happyhorse.prompt import words
from happyhorse.prompt.grammar import (
    CONJUNCTIONS,
    COUNTS,
    DETERMINERS,
    GENITIVES,
    JOINS,
    MAX_CLAUSE,
    NOT_VERB_AFTER,
    PICTURE_OF,
    PICTURES,
    POSSESSIVES,
    PREPOSITIONS,
    PRONOUNS,
    THEMES,
    Piece,
    Tokens,
    is_adverb,
    is_relative,
    theme_of,
    verb_at,
    weight_of,
    with_places,
)
from happyhorse.prompt.grammar_cjk import chinese, japanese, korean
from happyhorse.prompt.lexicon import Part
from happyhorse.prompt.sentences import sentences_of
from happyhorse.prompt.tokens import Token, tokens_of
from happyhorse.prompt.types import Span
from happyhorse.request import Language


def prose_spans(text: str, directions: str, start: int, end: int, language: Language) -> list[Span]:
    """The parts of directions[start:end]; `directions` is the text with quotations blanked."""
    reader = _Reader(directions, language, start, end)
    for sentence in sentences_of(directions, start, end, language):
        reader.read(sentence)
    return [Span(part, *_trimmed(text, first, last)) for part, first, last in reader.pieces if part]


def edit_spans(directions: str, language: Language) -> list[Span]:
    """An instruction to change a clip: action, but for clauses that change what is heard."""
    spans: list[Span] = []
    for sentence in sentences_of(directions, 0, len(directions), language):
        for start, end in sentence:
            tokens = tokens_of(directions, language, start, end)
            said = any(token.kind == "quote" for token in tokens)
            kept = re.search(words.KEEP, directions[start:end], re.IGNORECASE)
            heard = said or (theme_of(tokens) == "audio" and not kept)
            spans.append(Span("audio" if heard else "action", start, end))
    return spans


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), max(start, end - len(piece) + len(piece.rstrip()))


_ANIMATE = re.compile(words.ANIMATE, re.IGNORECASE)
_SUBORDINATES = frozenset({"wobei", "während", "indem", "pendant", "tandis"})


class _Reader:
    """Goes through the sentences and keeps what is known so far: whether a subject has been named."""

    def __init__(self, directions: str, language: Language, start: int, end: int) -> None:
        self.directions = directions
        self.language = language
        self.spaced = language in ("en", "de", "fr")
        self.pieces: list[Piece] = []
        self.has_subject = False
        self.tokens = tokens_of(directions, language, start, end)
        self.next = 0
        self.sentence: list[Piece] = []
        self.parts: set[Part | None] = set()
        self.camera_does = False

    def read(self, sentence: list[tuple[int, int]]) -> None:
        found = self.sentence = []
        self.parts = set()
        for start, end in sentence:
            tokens = self._take(start, end)
            if not any(token.text[0].isalnum() or token.kind for token in tokens):
                continue
            for first in range(0, len(tokens), MAX_CLAUSE):
                for group in self._subclauses(tokens[first : first + MAX_CLAUSE]):
                    pieces = self._in_sentence(group)
                    found += pieces
                    self.parts.update(part for part, _, _ in pieces)
        self.pieces += self._settle(found)

    def _in_sentence(self, tokens: list[Token]) -> list[Piece]:
        """A clause in the light of those before it in its sentence."""
        known = self.has_subject
        pieces = self._clause(tokens)
        if any(token.kind == "quote" for token in tokens):
            return pieces
        carried = self._carried(tokens, pieces) if self.sentence else None
        if carried:
            return [(carried, tokens[0].start, tokens[-1].end)]
        if len(pieces) == 1:
            return pieces
        own = self.language == "ja" and any(token.text in ("は", "も") for token in tokens)
        is_second = {"subject", "action"} <= self.parts or (known and tokens[0].text in JOINS)
        if own or not is_second or pieces[0][0] != "subject":
            return [(self._later(piece), *piece[1:]) for piece in pieces] if known else pieces
        (_, start, end), following = pieces[0], pieces[1]
        if following[0] == "action":
            return [("action", start, following[2]), *pieces[2:]]
        return [("action", start, end), *pieces[1:]]

    def _carried(self, tokens: Tokens, pieces: list[Piece]) -> Part | None:
        """The part that a clause takes over from the one before it."""
        theme, last = theme_of(tokens), self.sentence[-1][0]
        if theme is None and is_relative(tokens, self.language):
            return last
        if last == "camera":
            goes_on = theme != "audio" and (self.has_subject or self.spaced) and self._goes_on(tokens)
            told = any(token.kind in ("style", "audio", "environment") for token in tokens)
            bare = self.spaced and not told and verb_at(tokens, self.language) is None
            if goes_on or (self.camera_does and bare):
                return "camera"
        weak = next((part for part in THEMES if any(token.kind == part for token in tokens)), None)
        if last in THEMES and weak and [part for part, _, _ in pieces] == ["action"]:
            return weak
        if self.parts == {"environment"} and theme is None:
            opening = self.directions[self.sentence[0][1] : self.sentence[0][2]]
            return "environment" if re.search(words.BACKGROUND, opening, re.IGNORECASE) else None
        return None

    def _goes_on(self, tokens: Tokens) -> bool:
        """Whether a clause has no subject of its own."""
        if self.language == "ja":
            bare = not any(token.text in ("が", "は", "も") for token in tokens)
            return (
                bare
                and re.search(
                    "[るすたてうくむぶし]$", tokens[-1 if tokens[-1].text not in "。、" else -2].text
                )
                is not None
            )
        if self.language in ("zh", "yue"):
            return tokens[0].verb
        first = tokens[1] if tokens[0].text in JOINS and len(tokens) > 1 else tokens[0]
        return self.spaced and first.verb and verb_at([first], self.language) == 0

    def _take(self, start: int, end: int) -> list[Token]:
        tokens = self.tokens
        while self.next < len(tokens) and tokens[self.next].start < start:
            self.next += 1
        first = self.next
        while self.next < len(tokens) and tokens[self.next].start < end:
            self.next += 1
        return tokens[first : self.next]

    def _settle(self, pieces: list[Piece]) -> list[Piece]:
        """Fragments that tell nothing join the piece before them, or the one after."""
        settled: list[Piece] = []
        for index, (part, start, end) in enumerate(pieces):
            if part is None:
                settled.append((self._neighbour(settled, pieces, index), start, end))
            else:
                settled.append((part, start, end))
            self.has_subject = self.has_subject or settled[-1][0] == "subject"
        return settled

    def _neighbour(self, settled: list[Piece], pieces: list[Piece], index: int) -> Part | None:
        if settled:
            return settled[-1][0]
        after = next((piece[0] for piece in pieces[index + 1 :] if piece[0]), None)
        if after in THEMES:
            return after
        earlier = self.pieces[-1][0] if self.pieces else None
        return earlier if earlier in THEMES else "action" if self.has_subject else "subject"

    def _subclauses(self, tokens: list[Token]) -> Iterator[list[Token]]:
        """Cut at "while", "as", "and" where the second half has a verb of its own or is about something else."""
        if not self.spaced:
            yield tokens
            return
        start = 0
        for index, token in enumerate(tokens):
            if token.text not in JOINS or index - start < 2 or len(tokens) - index < 3:
                continue
            left, right = tokens[start:index], tokens[index:]
            mine, other = theme_of(left), theme_of(right)
            own_verb = any(t.verb for t in right) and (
                token.text in CONJUNCTIONS or (token.text == "then" and right[1].text in DETERMINERS)
            )
            if own_verb or (
                other
                and other != mine
                and (mine or verb_at(left, self.language) is not None)
                and not (mine and token.text == "with")
            ):
                yield left
                start = index
        yield tokens[start:]

    def _clause(self, tokens: list[Token]) -> list[Piece]:
        quotes = [index for index, token in enumerate(tokens) if token.kind == "quote"]
        if quotes:
            return self._with_quote(tokens, quotes[0])
        start, end = tokens[0].start, tokens[-1].end
        theme = theme_of(tokens)
        verb = verb_at(tokens, self.language)
        if theme == "style" and weight_of(tokens, "style") <= 3 and weight_of(tokens, "environment") >= 4:
            theme = None
        if theme is None and tokens[0].text in _SUBORDINATES:
            return [("action", start, end)]
        cut = None if self.has_subject or theme == "audio" else self._picture_of(tokens, theme)
        if cut:
            self.camera_does = False
            return [(theme or "camera", start, tokens[cut - 1].end), *self._clause(tokens[cut:])]
        if theme and (verb is None or self._leads(tokens, theme, verb)):
            self.camera_does = theme == "camera" and verb is not None
            return [(theme, start, end)]
        if verb is None and self.spaced:
            return self._nominal(tokens)
        return self._core(tokens, verb)

    def _with_quote(self, tokens: list[Token], quote: int) -> list[Piece]:
        before, after = tokens[:quote], tokens[quote + 1 :]
        found: list[Piece] = []
        lead = self.directions[before[0].start : tokens[quote].start] if before else ""
        spoken = re.search(rf"(?<![a-zà-ÿ])(?:{words.SPEECH_CUES})", lead, re.IGNORECASE) is not None
        theme = theme_of(before) if before else None
        if before and (theme == "audio" or (spoken and not _to_camera(lead))):
            cut = next(
                (
                    i
                    for i, token in enumerate(before)
                    if token.text in ("and", "und", "et", "then") and 0 < i < len(before) - 1
                ),
                0,
            )
            if cut:
                found += self._clause(before[:cut])
            found.append(("audio", before[cut].start, tokens[quote].end))
        else:
            found += self._clause(before) if before else []
            found.append(("audio", tokens[quote].start, tokens[quote].end))
        if after:
            found += self._after_quote(after)
        return found

    def _after_quote(self, after: list[Token]) -> list[Piece]:
        if any(token.kind == "quote" for token in after) or (self.spaced and after[0].text in JOINS):
            return self._clause(after)
        return [("audio", after[0].start, after[-1].end)]

    def _leads(self, tokens: Tokens, theme: Part, verb: int) -> bool:
        """Whether the theme governs a clause that has a verb: it comes first, or there is nothing else."""
        own = [index for index, token in enumerate(tokens) if token.kind == theme]
        first = next((index for index in own if tokens[index].weight >= 2), own[0])
        weight = weight_of(tokens, theme)
        if theme == "camera":
            return first <= verb or weight >= 3
        if theme == "audio":
            return first <= verb or weight >= 4
        return first < verb or weight >= 5 or (verb == 0 and weight >= 3)

    def _picture_of(self, tokens: Tokens, theme: Part | None) -> int | None:
        """Where the subject begins in "a slow shot of a baker"."""
        for index in range(1, len(tokens) - 1):
            if tokens[index].text not in PICTURE_OF or tokens[index + 1].text not in COUNTS:
                continue
            if tokens[index].text == "of" and verb_at(tokens[:index], self.language) is not None:
                continue
            picture = tokens[index].text == "of" and any(t.text in PICTURES for t in tokens[:index])
            if theme is None and not picture:
                return None
            return index + 1 if picture or theme_of(tokens[index + 1 :]) is None else None
        return None

    def _nominal(self, tokens: Tokens) -> list[Piece]:
        """A phrase without a verb."""
        start, end = tokens[0].start, tokens[-1].end
        if tokens[0].text in PREPOSITIONS:
            if any(token.kind == "environment" for token in tokens):
                return [("environment", start, end)]
            return [(None, start, end)]
        inner = next((i for i, token in enumerate(tokens) if i and token.text in PREPOSITIONS), len(tokens))
        return self._noun(tokens, tokens[:inner], tokens[inner:])

    def _noun(self, tokens: Tokens, head: Tokens, rest: Tokens) -> list[Piece]:
        start, end = tokens[0].start, tokens[-1].end
        placed = any(token.kind == "environment" for token in head)
        if any(token.kind == "environment" for token in head[-2:]) or (placed and self.has_subject):
            return [("environment", start, end)]
        theme = next((part for part in THEMES if any(t.kind == part for t in head)), None)
        if theme and self.has_subject:
            return [(theme, start, end)]
        after_theme = bool(self.sentence) and self.sentence[-1][0] in THEMES
        worn = any(t.kind == "wear" for t in tokens) and not after_theme
        if self.has_subject and head[0].text not in DETERMINERS and not worn:
            if any(token.kind == "environment" for token in rest):
                return [(None, start, head[-1].end), ("environment", rest[0].start, end)]
            return [(None, start, end)]
        self.has_subject = True
        return list(with_places("subject", tokens))

    def _core(self, tokens: Tokens, verb: int | None) -> list[Piece]:
        cut = {"zh": chinese, "yue": chinese, "ja": japanese, "ko": korean}.get(self.language)
        pieces = self._core_spaced(tokens, verb or 0) if cut is None else cut(tokens, self.has_subject)
        self.has_subject = self.has_subject or any(part == "subject" for part, _, _ in pieces)
        return pieces

    def _later(self, piece: Piece) -> Part | None:
        """A thing in the place of a second subject is part of what happens: "the envelope turns into a fish"."""
        part, start, end = piece
        is_thing = _ANIMATE.search(self.directions, start, end) is None
        return "action" if part == "subject" and is_thing else part

    def _core_spaced(self, tokens: Tokens, verb: int) -> list[Piece]:
        while self.language == "en" and verb > 1 and is_adverb(tokens[verb - 1]):
            verb -= 1
        begin = next((i for i, t in enumerate(tokens[:verb]) if _is_word(t) and t.text not in JOINS), verb)
        subject, action = tokens[begin:verb], tokens[verb:]
        placed = any(token.kind == "environment" for token in subject)
        if subject and subject[0].text in PREPOSITIONS and placed:
            found = self._place_first(subject, action)
        elif not subject:
            found = list(with_places("action", action))
        elif self._goes_on_with(subject):
            found = list(with_places("action", tokens))
        elif subject[-1].kind == "environment" and self.has_subject and not _has_place(subject):
            found = [("environment", subject[0].start, tokens[-1].end)]
        elif subject[-1].text in NOT_VERB_AFTER or subject[0].text in PREPOSITIONS:
            found = list(with_places("action", tokens))
        else:
            found = [*with_places("subject", subject), *with_places("action", action)]
        part, _, end = found[0]
        return [(part, tokens[0].start, end), *found[1:]]

    def _goes_on_with(self, subject: Tokens) -> bool:
        """Whether the one who acts is already known: "she turns", "her eyes widen"."""
        if subject[0].text in PRONOUNS and len(subject) <= 3:
            return bool(self.pieces or self.sentence)
        adverbs = all(token.text.endswith("ly") for token in subject)
        return self.has_subject and (subject[0].text in POSSESSIVES or adverbs)

    def _place_first(self, subject: Tokens, action: Tokens) -> list[Piece]:
        """ "On the square a couple dances", "In der Nacht fährt ein Kurier durch Gassen"."""
        own = self._after_place(subject)
        if own:
            place, actor = subject[:own], subject[own:]
            found: list[Piece] = [
                ("environment", place[0].start, place[-1].end),
                ("subject", actor[0].start, actor[-1].end),
            ]
            return found + list(with_places("action", action))
        place_alone: Piece = ("environment", subject[0].start, subject[-1].end)
        return [place_alone, *(self._inverted(action) or with_places("action", action))]

    def _after_place(self, subject: Tokens) -> int | None:
        """Where the subject begins in "on the market square a couple (dances)"."""
        place = next(i for i, token in enumerate(subject) if token.kind == "environment")
        for index in range(place + 1, len(subject) - 1):
            before = subject[index - 1].text
            if (
                subject[index].text in DETERMINERS
                and not (self.language == "de" and subject[index].text in GENITIVES)
                and before not in PREPOSITIONS
                and before not in ("of", "with", "de", "avec", "mit")
            ):
                return index
        return None

    def _inverted(self, action: Tokens) -> list[Piece]:
        """German: "In der Nacht fährt ein Kurier durch enge Gassen"."""
        if self.language != "de" or len(action) < 3 or action[1].text in PREPOSITIONS:
            return []
        end = next(
            (
                i
                for i, t in enumerate(action)
                if i > 2 and t.text in PREPOSITIONS and not _is_dress(action, i)
            ),
            len(action),
        )
        found: list[Piece] = [
            ("action", action[0].start, action[0].end),
            ("subject", action[1].start, action[end - 1].end),
        ]
        return found + (list(with_places("action", action[end:])) if end < len(action) else [])


def _is_dress(action: Tokens, index: int) -> bool:
    """Whether a preposition leads to what somebody has with or on them: "mit", "im gelben Hemd"."""
    return action[index].text == "mit" or any(t.kind == "wear" for t in action[index + 1 : index + 4])


def _is_word(token: Token) -> bool:
    return token.text[0].isalnum()


def _has_place(tokens: Tokens) -> bool:
    """Whether a phrase only ends in a place: "balloons in the background"."""
    return any(token.text in PREPOSITIONS for token in tokens[1:])


def _to_camera(lead: str) -> bool:
    return re.search(words.TO_CAMERA, lead, re.IGNORECASE) is not None
