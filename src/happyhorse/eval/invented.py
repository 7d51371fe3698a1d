"""Lines of invented words: they hold every sound of a language and no word of any prompt, so nothing can be known by heart."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np

from happyhorse.world.lines import sample_line


@dataclass(frozen=True)
class Spelling:
    """How words of a language are put together: syllables of onset, nucleus and now and then a coda, then perhaps an ending.

    `small` are true words, without which nothing would sound like the language.
    """

    onsets: str
    nuclei: str
    codas: str
    endings: str
    small: str
    coda_share: float = 0.6
    small_share: float = 0.3


_ENGLISH = Spelling(
    "b bl br ch d dr f fl fr g gl gr h j k cl cr l m n p pl pr qu r s sh sk sl sm sn sp st str sw t th "
    "thr tr tw v w y z",
    "a e i o u ee ay oy ow oo ar or er ir ai au oa ea igh ure ear",
    "b ck d ft g l ld lk lt m mp n nd ng nk nt nch p pt rd rm sh ss sk st t tch th the ve x zz ze ge ff "
    "ke se ne te",
    "er ing y ed le en ow ous ion sion sure ture ly ment ness al ish",
    "the this that they there then with other their them these those a an of to in on at and you I we it "
    "is was for my your his her our are what how from by all do",
)
_GERMAN = Spelling(
    "b bl br d dr f fl fr g gl gr h j k kl kn kr l m n p pf pl pr r s sch schl schm schn schr schw sp spr st str t tr w z zw",
    "a e i o u ä ö ü ei au eu ie aa oh äu",
    "b ch ck d f ft g l ld lt m mp n nd ng nk nt pf r rd rm s sch st t tz",
    "en er ung lich keit e el chen ig",
    "der die das und ist in ein eine nicht mit auf für wir ich du er sie es von zu",
)
_FRENCH = Spelling(
    "b bl br c d dr f fl fr g gr j l m n p pl pr qu r s t tr v ch z gn",
    "a e é è i o u ou ai au eu oi an on in en ui œu",
    "r l s t f que ge che ne se",
    "e é er eur ion tion ment ette ier eau",
    "le la les un une de du et est dans pour avec je tu il elle nous vous ce qui sur",
    coda_share=0.3,
)
_SPELLINGS = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH}
SMALL = _ENGLISH.small
"""English words that are not invented; "th" is hardly ever voiced elsewhere."""
_KANA = (
    "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や ゆ よ ら り る れ ろ わ が ぎ ぐ げ ご ざ じ ず ぜ ぞ だ で ど "
    "ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ きゃ きょ しゃ しゅ しょ ちゃ ちゅ ちょ にゃ ひょ りょ じゃ じょ ん ん ん"
)
_HAN = {
    "zh": (
        "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手"
        "十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什"
        "打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安"
        "表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃"
    ),
    "yue": (
        "嘅係唔喺咗佢哋冇嚟咁啲睇食飲講聽買賣行企坐瞓鍾意細靚貴平快慢新舊高低長短紅綠藍黃白黑一二三四五六七八九十百千今日聽尋朝晚年月星期人家女仔男爸媽哥姐弟妹朋"
        "友老師學生醫書車船飛機火電話屋門窗街路橋山海河水茶飯麵魚肉菜果花樹草狗貓雀馬牛羊手腳頭眼耳口心身衫褲鞋帽你我好天氣早多謝請問幾時邊度點解做乜開關來去入出"
    ),
}
"""Common characters; in any order they are syllables of the language and no sentence of it."""
_HANGUL, _MEDIALS, _FINALS = (
    0xAC00,
    (0, 1, 4, 5, 6, 8, 12, 13, 17, 18, 20, 2, 9, 14),
    (0, 0, 0, 0, 1, 4, 8, 16, 17, 21),
)
"""The first syllable of the block, and jamo of common vowels and codas by their number (0: none)."""


def invented_line(rng: np.random.Generator, *, num_words: int, language: str = "en") -> str:
    """Return words that follow the rules of a language's spelling and mean nothing, in one or two sentences."""
    words = [_word(rng, language) for _ in range(num_words)]
    if num_words > 4 and rng.random() < 0.5:
        words[num_words // 2] += _pick(rng, ", .")
    return f"{' '.join(words)}{_pick(rng, '. . ! ?')}"


def words_of(line: str) -> frozenset[str]:
    """Return the words of a line in lower case."""
    return frozenset(re.findall(r"[a-z']+", line.lower()))


@functools.cache
def worlds_words() -> frozenset[str]:
    """Every English word that the world's people say."""
    rng = np.random.default_rng(0)
    return frozenset().union(*(words_of(sample_line(rng, seconds=5)) for _ in range(3000)))


def _word(rng: np.random.Generator, language: str) -> str:
    if language == "ja":
        first = _pick(rng, _KANA.removesuffix(" ん ん ん"))
        return first + "".join(_pick(rng, _KANA) for _ in range(int(rng.integers(1, 4))))
    if language in _HAN:
        characters = _HAN[language]
        return "".join(
            characters[int(i)] for i in rng.integers(len(characters), size=int(rng.integers(1, 4)))
        )
    if language == "ko":
        return "".join(_hangul(rng) for _ in range(int(rng.integers(1, 4))))
    spelling = _SPELLINGS[language]
    return _pick(rng, spelling.small) if rng.random() < spelling.small_share else _invented(rng, spelling)


def _hangul(rng: np.random.Generator) -> str:
    initial = int(rng.integers(19))
    medial, final = (of[int(rng.integers(len(of)))] for of in (_MEDIALS, _FINALS))
    return chr(_HANGUL + (initial * 21 + medial) * 28 + final)


def _invented(rng: np.random.Generator, spelling: Spelling) -> str:
    while True:
        word = "".join(_syllable(rng, spelling) for _ in range(int(rng.integers(1, 3))))
        if rng.random() < 0.3:
            word += _pick(rng, spelling.endings)
        if word not in worlds_words():
            return word


def _syllable(rng: np.random.Generator, spelling: Spelling) -> str:
    onset = _pick(rng, spelling.onsets) if rng.random() < 0.85 else ""
    coda = _pick(rng, spelling.codas) if rng.random() < spelling.coda_share else ""
    return onset + _pick(rng, spelling.nuclei) + coda


def _pick(rng: np.random.Generator, words: str) -> str:
    options = words.split()
    return options[int(rng.integers(len(options)))]
