# ruff: noqa: RUF001  the punctuation of seven languages is meant
"""How Chinese, Japanese and Korean say who does what where: Chinese by 在 and the first verb, the other two by particles."""

from __future__ import annotations

import re

from happyhorse.prompt import words
from happyhorse.prompt.grammar import THEMES, Piece, Tokens
from happyhorse.prompt.lexicon import Part, word_set
from happyhorse.prompt.tokens import Token

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
    cut = _before_adverb(
        tokens, min(len(tokens) if verb is None else verb, place[0] if place else len(tokens))
    )
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


def _before_adverb(tokens: Tokens, cut: int) -> int:
    """Where "quietly" begins, if it stands before the verb: 少女安静地|看 -> 少女|安静地看."""
    if cut < 3 or tokens[cut - 1].text != "地":
        return cut
    start, letters = cut - 1, 0
    while start > 1 and letters < 2:
        start -= 1
        letters += len(tokens[start].text)
    return start


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
    if has_subject and re.match("..地", text):  # "gracefully": the subject is the one before
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
        return [(_japanese_fragment(tokens, text, has_subject), start, end)]
    if _says(tokens[begin:]):
        found.append(("action", tokens[begin].start, end))
    return found


def _japanese_fragment(tokens: Tokens, text: str, has_subject: bool) -> Part | None:
    """What a clause without が or は tells; its last word decides."""
    last = _last_word(tokens)
    if last.kind in (None, "verb") and _JA_VERBAL.search(text):
        return "action"
    return _fragment(tokens, last, has_subject)


def _fragment(tokens: Tokens, last: Token, has_subject: bool) -> Part | None:
    """What a clause without a verb tells, in a language whose last word is the head."""
    for part in THEMES:
        if last.kind == part:
            return part
    if any(t.kind == "environment" for t in tokens):
        return "environment"
    theme = next((part for part in THEMES if any(t.kind == part for t in tokens)), None)
    return theme or (None if has_subject else "subject")


def _last_word(tokens: Tokens) -> Token:
    return next((t for t in reversed(tokens) if t.text[0].isalnum()), tokens[-1])


_JA_VERBAL = re.compile("(?:[るたすくむうつぶてりきえびみいし]|ながら|ように|まま)$")


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
    if not verbal and any(t.kind in (*THEMES, "environment") for t in tokens):
        return [(_fragment(tokens, _last_word(tokens), has_subject), tokens[0].start, tokens[-1].end)]
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
