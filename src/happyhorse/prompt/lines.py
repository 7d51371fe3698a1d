# ruff: noqa: RUF001, RUF002  the quotes and punctuation of seven languages are meant
"""The lines to be said, and the names of inputs. Every scan is linear in the length of the prompt.

A quotation is said or written in the picture; the nearest cue before it decides. A few verbs ("saying ...", "他说：...") open a line
without quotes.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from happyhorse.language import count_words, has_letters, language_of, seconds_to_say
from happyhorse.prompt import words
from happyhorse.prompt.tokens import FILLER
from happyhorse.prompt.types import Line, Reference
from happyhorse.request import Language

_FLAGS = re.IGNORECASE
_CUE_REACH = 90
_AFTER_REACH = 24


class Quotation(NamedTuple):
    """Quoted words; `start` and `end` include the quotes."""

    start: int
    end: int
    words: str
    spoken: bool
    written: bool
    """Whether a cue says that it is text in the picture."""


# Each opening quote stops at the next one of its kind, so no character is read twice for one style of quote.
_QUOTES = re.compile(
    r"“(?P<a>[^“”]+)”|„(?P<b>[^„“”]+)[“”]|«(?P<c>[^«»]+)»|»(?P<d>[^«»]+)«|「(?P<e>[^「」]+)」|『(?P<f>[^『』]+)』"
    r"|‹(?P<g>[^‹›]+)›|›(?P<h>[^‹›]+)‹|(?<!\d)\"(?P<i>[^\"\n]+)\"|＂(?P<j>[^＂]+)＂|‚(?P<k>[^‚‘\n]+)‘|《(?P<l>[^《》]+)》"
    r"|(?<![^\s(\[:,;—–\-/])‘(?P<m>(?:[^‘’\n]|’(?=\w))+)’(?!\w)"
)
# A closing single quote is not an apostrophe: no letter follows it.
_OPENS = re.compile(r"(?<![^\s(\[:,;=—–\-/])'(?=[^\s'])(?!\d0s)")
_CLOSES = re.compile(r"(?<=[^\s'])'(?!\w)")
_REFERENCE = re.compile(
    r"(?P<character>(?:\[\s?)?(?:\bcharacters?|角色|キャラクター|캐릭터|\bpersonnage)\s?(?P<c>[1-9])(?![0-9])(?:\s?\])?)"
    r"|[@\[「【]?\s?@?(?:(?<![a-z])(?P<image>images?|pictures?|photos?|이미지|사진|图片|图像|图|圖片|圖|画像|bild|foto)"
    r"|(?<![a-z])(?P<video>videos?|vidéo|视频|影片|視頻|動画|영상|동영상|비디오)"
    r"|(?<![a-z])(?P<audio>audio|音频|音頻|音声|오디오))\s?(?P<n>[1-9])(?![0-9:.%秒])(?:\s?-\s?(?P<to>[1-9])(?!\d))?\s?[\]」】]?",
    _FLAGS,
)
_SAYING = re.compile(
    r"\b(?:saying|says|asks|shouts|whispers|replies|sings|announc(?:es|ing)|declar(?:es|ing)|tell(?:s|ing) (?:us|them|me|you|everyone)|sagt|fragt|ruft|dit|demande|crie)\s?,?\s?[:：]\s?(?P<a>[^\"“”'‘«「\s\ufffc][^\n.!?\ufffc]*[.!?]?)"
    r"|\bsaying(?! (?:that|nothing|goodbye|hello|yes|no)\b),?\s+(?P<b>(?:[^\"“”'‘’«「:,.;!?\n\ufffc]|['’](?=\w))+)"
    r"|\bvoice\s?=\s?(?P<d>[^\"“”'‘«「=\s\ufffc][^=\n.!?\ufffc]*[.!?])"
    r"|(?:[说說问問答道喊唱笑話講回]|回应)[：:]\s?(?P<c>[^\"“「『\s\ufffc][^\n。！？\ufffc]*[。！？]?)",
    _FLAGS,
)
_SPOKEN_CUE = re.compile(rf"(?<![a-zà-ÿ])(?:{words.SPEECH_CUES})(?![a-zà-ÿ])", _FLAGS)
_WRITTEN_CUE = re.compile(rf"(?<![a-zà-ÿ])(?:{words.TEXT_CUES})(?![a-zà-ÿ])", _FLAGS)
_WRITTEN_AFTER = re.compile(rf"\s?(?:\w{{3,12}}\s)?(?:{words.TEXT_CUES})(?![a-z])", _FLAGS)
_SPOKEN_AFTER = re.compile(
    rf"と[^。、]{{0,8}}(?:声|言|話|叫|答|つぶや|歌|語|呼)|이?라고\s?(?:말|외|주문|속삭|묻|물|답|소리)|[\s,]{{0,2}}(?:\w+\s){{0,2}}(?:{words.SPEECH_CUES})(?![a-z])",
    _FLAGS,
)


def quotations(text: str) -> list[Quotation]:
    """All that is quoted or said without quotes, in order."""
    marks = [mark for mark in _all_quotes(text) if not _REFERENCE.fullmatch(mark[2])]
    bare = blank(text, [mark[:2] for mark in marks])
    spoken = [match.end() for match in _SPOKEN_CUE.finditer(bare)]
    written = [match.end() for match in _WRITTEN_CUE.finditer(bare)]
    found = [_judge(text, mark, bare, spoken, written) for mark in marks]
    for match in _SAYING.finditer(bare):
        group = match.lastgroup or "a"
        said = match[group].strip()
        if count_words(said) >= (1 if group == "c" else 2):
            found.append(Quotation(*match.span(group), said, spoken=True, written=False))
    return sorted(found)


def _all_quotes(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _QUOTES.finditer(text):
        said = next(group for group in match.groups() if group is not None).strip()
        found.append((*match.span(), said))
    bare = blank(text, [mark[:2] for mark in found])
    found += [(start, end, text[start + 1 : end - 1].strip()) for start, end in _single_quotes(bare)]
    return sorted(found)


def _single_quotes(text: str) -> Iterator[tuple[int, int]]:
    """Pairs of straight single quotes that stand on one line."""
    closes = [match.start() for match in _CLOSES.finditer(text)]
    position = 0
    for match in _OPENS.finditer(text):
        start = match.start()
        index = bisect_right(closes, start + 1)
        if start < position or index == len(closes):
            continue
        end = closes[index] + 1
        line_end = text.find("\n", start)
        if line_end == -1 or end <= line_end:
            yield start, end
            position = end


def _judge(
    text: str, mark: tuple[int, int, str], bare: str, spoken: Sequence[int], written: Sequence[int]
) -> Quotation:
    """Whether a quotation is said or written in the picture: the nearest cue decides, then its punctuation."""
    start, end, said = mark
    before = re.split(r"[.!?。！？\n]", bare[max(0, start - _CUE_REACH) : start])[-1]
    after = bare[end : end + _AFTER_REACH]
    first = start - len(before)
    says, shows = _last(spoken, first, start), _last(written, first, start)
    if text[start] == "《" or not has_letters(said):
        return Quotation(start, end, said, spoken=False, written=False)
    if _WRITTEN_AFTER.match(after):
        return Quotation(start, end, said, spoken=False, written=True)
    if says != shows:
        return Quotation(start, end, said, spoken=says > shows, written=shows > says)
    lead = before.rstrip().endswith((":", "："))
    sentence = said.endswith((".", "!", "?", "…", "。", "！", "？", ",", "，", "、"))
    return Quotation(
        start, end, said, spoken=lead or sentence or bool(_SPOKEN_AFTER.match(after)), written=False
    )


def _last(cues: Sequence[int], start: int, end: int) -> int:
    """The last cue that ends within start..end; -1 when there is none."""
    index = bisect_right(cues, end)
    return cues[index - 1] if index > bisect_left(cues, start + 1) else -1


def line_of(quotation: Quotation, prompt_language: Language) -> Line:
    language = language_of(quotation.words, prompt_language)
    seconds = seconds_to_say(quotation.words, language)
    return Line(quotation.words, language, seconds, quotation.start, quotation.end)


def blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with these spans as filler, so that positions stay; a sentence that ended inside still ends there."""
    pieces: list[str] = []
    position = 0
    for start, end in spans:
        if start < position:
            continue
        inside = text[start:end]
        tail = next((mark for mark in inside[:-5:-1] if mark in ".!?。！？"), FILLER)
        pieces += [text[position:start], FILLER * (end - start - 1), tail]
        position = end
    return "".join([*pieces, text[position:]])


def references_of(directions: str) -> tuple[Reference, ...]:
    """The names of inputs, each once, in order."""
    found: dict[tuple[str, int], Reference] = {}
    for match in _REFERENCE.finditer(re.sub(r"=\s?[\d, ]+", lambda m: " " * len(m[0]), directions)):
        written = match[0].strip()
        if match["character"]:
            found.setdefault(("character", int(match["c"])), Reference("character", int(match["c"]), written))
            continue
        kind: Literal["image", "video", "audio"] = (
            "video" if match["video"] else "audio" if match["audio"] else "image"
        )
        for number in range(int(match["n"]), int(match["to"] or match["n"]) + 1):
            found.setdefault((kind, number), Reference(kind, number, written))
    return tuple(found.values())


def without_references(directions: str) -> str:
    return _REFERENCE.sub(lambda match: " " * len(match[0]), directions)


def declared_characters(directions: str) -> dict[str, tuple[int, ...]]:
    """Groups that the text declares: character1=1,2,3. The first to claim an image keeps it."""
    groups: dict[str, tuple[int, ...]] = {}
    claimed: set[int] = set()
    for match in re.finditer(
        r"\bcharacter\s?([1-9])\s{0,3}=\s{0,3}([1-9](?:\s{0,3},\s{0,3}[1-9](?!\d))*)", directions, _FLAGS
    ):
        numbers = dict.fromkeys(int(digit) for digit in re.findall(r"\d", match[2]))
        images = tuple(number for number in numbers if number not in claimed)
        if images:
            groups[f"character{match[1]}"] = images
            claimed.update(images)
    return groups
