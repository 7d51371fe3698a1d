# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""How seven languages say who does what where: the cut of a clause that is not about camera, sound or style.

English, German and French by the verb and by prepositions before the name of a place; Chinese by 在 and the first verb; Japanese and
Korean by particles. Rules of thumb over words, not a parser: what they do not see stays with its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from happyhorse.prompt import words
from happyhorse.prompt.lexicon import ENGLISH_BASES, Part, word_set
from happyhorse.prompt.tokens import Token
from happyhorse.request import Language

Piece = tuple[Part | None, int, int]
Tokens = Sequence[Token]

JOINS = word_set("and while as whereas then where und wobei während et pendant puis with but")
CONJUNCTIONS = word_set("while as wobei während pendant whereas where")
PRONOUNS = word_set("he she it they we i you er sie es wir ils elles il elle on l'un l'une")
POSSESSIVES = word_set("his her its their sein seine ihr ihre son sa ses leur leurs")
DETERMINERS = word_set(
    "a an the his her its their our my this that these those each every some no ein eine einen einem einer der die das den dem des "
    "le la les un une des du de sein seine ihr ihre son sa ses"
)
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
PICTURES = word_set(
    "scene shot view image picture photo footage time-lapse timelapse close-up animation anime"
)
MAX_CLAUSE = 80
"""Tokens; a longer clause is cut, which bounds the work on it."""
THEMES: tuple[Part, ...] = ("camera", "audio", "style")


def theme_of(tokens: Tokens) -> Part | None:
    """Of camera, audio and style the one that most of the words speak of, if any word is sure of it."""
    best: Part | None = None
    most = 0
    for part in THEMES:
        weights = [token.weight for token in tokens if token.kind == part]
        if weights and max(weights) >= 2 and sum(weights) > most:
            best, most = part, sum(weights)
    return best


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
    if possessed or (before in NOT_VERB_AFTER and not (before == "to" and index > 1)):
        return False
    if word in ENGLISH_BASES:
        return index == 0 or before in MODALS | PRONOUNS or _is_plural(tokens[:index])
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


def _is_plural(subject: Tokens) -> bool:
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


_ZH_PLACES = word_set(
    "里 中 上 下 旁 前 边 内 外 旁边 後 后 下面 上面 入面 裡 裏 隔離 度 嗰度 对面 深处 处 之间 嘅 中央 上方"
)
_ZH_VERBS_OF_PLACE = word_set("在 喺 于")
_ZH_OPENS = word_set("站在 坐在 躺在 穿过 越过 沿着 放在 走过 喺麻雀枱打牌")


def chinese(tokens: Tokens, has_subject: bool) -> list[Piece]:
    start, end = tokens[0].start, tokens[-1].end
    place = _chinese_place(tokens)
    if place and place[0] == 0:
        rest = tokens[place[1] + 1 :]
        if not any(t.verb for t in rest):
            return [("environment", start, end)]
        return [("environment", start, tokens[place[1]].end), *chinese(rest, has_subject)]
    verb = _chinese_verb(tokens, place)
    if verb is None and not place:
        return [(_chinese_fragment(tokens, has_subject), start, end)]
    cut = min(len(tokens) if verb is None else verb, place[0] if place else len(tokens))
    found: list[Piece] = []
    begin = 0
    if cut and _is_chinese_subject(tokens[:cut], has_subject):
        found.append(("subject", start, tokens[cut - 1].end))
        begin = cut
    if place and place[0] >= begin:
        first, last = place
        if first > begin:
            found.append(("action", tokens[begin].start, tokens[first - 1].end))
        found.append(("environment", tokens[first].start, tokens[last].end))
        begin = last + 1
    if _says(tokens[begin:]):
        found.append(("action", tokens[begin].start, end))
    return found


def _chinese_verb(tokens: Tokens, place: tuple[int, int] | None) -> int | None:
    """Where the doing begins; what is worn before it is still the subject."""
    worn = next((i for i, t in enumerate(tokens) if t.kind == "wear"), None)
    verb = next(
        (i for i, t in enumerate(tokens) if t.verb or (t.text in _ZH_VERBS_OF_PLACE and not place)), None
    )
    if worn is not None and (verb is None or worn <= verb):
        return next((i for i, t in enumerate(tokens) if t.verb and i > worn + 2), None)
    return verb


def _chinese_fragment(tokens: Tokens, has_subject: bool) -> Part | None:
    if any(t.kind == "wear" for t in tokens):
        return "subject"
    if any(t.kind == "environment" for t in tokens):
        return "environment"
    theme = next((part for part in THEMES if any(t.kind == part for t in tokens)), None)
    if theme and has_subject:
        return theme
    return None if has_subject else "subject"


def _says(tokens: Tokens) -> bool:
    return any(token.text[0].isalnum() for token in tokens)


def _is_chinese_subject(tokens: Tokens, has_subject: bool) -> bool:
    text = "".join(token.text for token in tokens)
    if has_subject and text in ("他", "她", "它", "佢", "他们", "她们", "佢哋", "最后", "两人"):
        return False
    return len(text) > 1 and not all(t.kind == "environment" for t in tokens)


def _chinese_place(tokens: Tokens) -> tuple[int, int] | None:
    """First and last token of "in the ... " with the name of a place."""
    for index, token in enumerate(tokens):
        if token.text not in _ZH_VERBS_OF_PLACE and token.text not in _ZH_OPENS:
            if token.kind == "environment" and index <= 6 and not any(t.verb for t in tokens[:index]):
                after = tokens[index + 1].text if index + 1 < len(tokens) else ""
                if after in _ZH_PLACES:
                    return 0, index + 1
                if any(t.verb for t in tokens[index + 1 : index + 2]) is False and index + 1 == len(tokens):
                    return 0, index
            continue
        last = None
        for place in range(index + 1, min(index + 12, len(tokens))):
            if tokens[place].kind == "environment" or (tokens[place].text in _ZH_PLACES and last is not None):
                last = place
            elif tokens[place].verb and last is not None:
                break
        if last is not None:
            return index + (token.text in _ZH_OPENS and token.text[-1] not in "过着"), last
    return None


def japanese(tokens: Tokens, has_subject: bool) -> list[Piece]:
    start, end = tokens[0].start, tokens[-1].end
    found: list[Piece] = []
    begin = 0
    text = "".join(t.text for t in tokens).rstrip("。、，")
    if any(t.kind == "environment" for t in tokens) and re.search(words.EXISTS, text):
        return [("environment", start, end)]
    if any(t.kind == "environment" for t in tokens[:8]):
        last = _japanese_place(tokens, 0)
        if last is not None:
            found.append(("environment", start, tokens[last].end))
            begin = last + 1
    marks = [
        i
        for i in range(begin + 1, len(tokens))
        if tokens[i].text in ("が", "は", "も") and tokens[i - 1].text not in ("で", "に", "と", "な")
    ]
    if marks:
        subject = tokens[begin : marks[0] + 1]
        found.append(("subject", subject[0].start, subject[-1].end))
        begin = marks[0] + 1
        last = _japanese_place(tokens, begin)
        if last is not None:
            found.append(("environment", tokens[begin].start, tokens[last].end))
            begin = last + 1
    if not marks and not found:
        end_word = next((t for t in reversed(tokens) if t.text[0].isalnum()), tokens[-1])
        verbal = end_word.kind in (None, "verb") and re.search(
            "(?:[るたすくむうつぶてりきえびみいし]|ながら|ように|まま)$", text
        )
        if any(t.kind == "environment" for t in tokens) and not verbal:
            return [("environment", start, end)]
        theme = next((part for part in THEMES if any(t.kind == part for t in tokens)), None)
        if theme and not verbal:
            return [(theme, start, end)]
        return [("action" if verbal else None if has_subject else "subject", start, end)]
    if _says(tokens[begin:]):
        found.append(("action", tokens[begin].start, end))
    return found


def _japanese_place(tokens: Tokens, begin: int) -> int | None:
    """Last token of a phrase of place that starts here, particle included."""
    seen = False
    for index in range(begin, min(begin + 14, len(tokens))):
        token = tokens[index]
        if token.kind == "environment":
            seen = True
        elif token.verb or token.text in ("が", "、", "。") or (token.text == "は" and not seen):
            return None
        elif seen and token.text in ("で", "に", "を"):
            after = tokens[index + 1].text if index + 1 < len(tokens) else ""
            return index + (after in ("は", "も"))
        elif seen and token.text == "は":
            return None
    return None


_KO_SUBJECT = re.compile(
    r"(?:[가-힣]{2,}(?:이|가|은|들이|들은|들도|께서|도)|[가-힣]+[^하되이리루치르있없오가나드지보우추기두]는|(?:명|분)[이은]|마리[가는])$"
)
_KO_PLACE = re.compile(r"(?:에서|에서는|에는|에|으로|을|를|의)$")


def korean(tokens: Tokens, has_subject: bool) -> list[Piece]:
    found: list[Piece] = []
    begin = 0
    text = [t.text for t in tokens if t.text[0].isalnum()]
    verbal = (
        bool(text) and re.search("(?:다|요|며|고|서|지만|면서|모습|장면|움직임|세요)$", text[-1]) is not None
    )
    progressive = len(text) > 1 and text[-2].endswith("고")
    exists = bool(text) and not progressive and re.search(words.EXISTS, text[-1]) is not None
    if exists and any(t.kind == "environment" for t in tokens):
        return [("environment", tokens[0].start, tokens[-1].end)]
    if not verbal:
        if any(t.kind == "environment" for t in tokens):
            return [("environment", tokens[0].start, tokens[-1].end)]
        theme = next((part for part in THEMES if any(t.kind == part for t in tokens)), None)
        if theme:
            return [(theme, tokens[0].start, tokens[-1].end)]
    for index, token in enumerate(tokens):
        place = token.kind == "environment" and re.search("(?:에서|에서는|에|에는)$", token.text)
        if place and index - begin <= 4 and len(found) < 4:
            found.append(("environment", tokens[begin].start, token.end))
            begin = index + 1
        elif (
            _KO_SUBJECT.search(token.text)
            and index - begin <= 6
            and not any(part == "subject" for part, _, _ in found)
        ):
            if token.kind == "environment" and not found:
                return [("environment", tokens[0].start, tokens[-1].end)]
            found.append(("subject", tokens[begin].start, token.end))
            begin = index + 1
    rest = tokens[begin:]
    if _says(rest):
        part: Part | None = "action" if verbal or has_subject or found else "subject"
        found.append((part, rest[0].start, rest[-1].end))
    return found
