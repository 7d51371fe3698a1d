"""Phrases about a scene: how a caption calls the person, the look, the place, the light, the camera and the voice.

Every method throws the dice once more, so no two captions need agree. `caption` joins the phrases into prompts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from happyhorse.world.scene import ATTRIBUTES, Scene
from happyhorse.world.words import action, filming, known, look, surroundings, undrawn

Split = Literal["train", "eval", "eval-words"]

_KEEP = (1.0, 0.9, 0.9, 0.7, 0.5, 0.25)
_NEAR_FRAMES = {"environment": "in a {n}", "weather": "in a {n}", "time": "at {n}", "hair_style": "{c} {n}"}
_STAND_INS = {
    target: "|".join(word for word, other in known.NEAREST.items() if other == target)
    for target in known.NEAREST.values()
}
_SCRIPTS = (
    (0x4E00, 0x9FA0),
    (0x3041, 0x30FB),
    (0xAC00, 0xD7A4),
    (0x0430, 0x0450),
    (0x0627, 0x064A),
    (0x0905, 0x0939),
)
"""Ranges of letters: Han, kana, Hangul, Cyrillic, Arabic, Devanagari."""
_QUOTES = '"~"|"~"|"~"|\'~\'|“~”|“~”|\u2018~\u2019|«~»|„~“|「~」|:~'


@functools.cache
def _options(choices: str, split: Split, *, held: bool) -> tuple[str, ...]:
    """The entries of a |-separated list that a split may use; `held`: those with a star, in an eval split."""
    entries = choices.split("|")
    plain = tuple(entry for entry in entries if not entry.startswith("*"))
    starred = tuple(entry[1:] for entry in entries if entry.startswith("*"))
    return starred if held and starred and split != "train" else plain


def tidy(text: str) -> str:
    """Mend articles, spaces and marks that the assembly left behind."""
    text = re.sub(r"[ ]{2,}", " ", text)
    text = re.sub(r"(:\s*):\s", r"\1", text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"\b(?:and|plus), ", ", ", text)
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])(?!(?i:uni|eu|one\b|us))", r"\1n ", text)
    return re.sub(r"([,;])(?:\s*[,;.])+", r"\1", text).strip()


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bare(phrase: str) -> str:
    """A place without its preposition and article."""
    return re.sub(
        r"^(?:in front of|at home in|deep in|next to|in|at|on|by|behind|against|among|with)\s+(?:an?\s|the\s)?",
        "",
        phrase,
    )


class Phrases:
    """What may be told of one scene, the dice, and the noun and verb phrases they give."""

    def __init__(
        self, scene: Scene, rng: np.random.Generator, split: Split, keep: frozenset[str] | None
    ) -> None:
        self.scene, self.rng, self.split = scene, rng, split
        self.facts = scene.attributes()
        if keep is None:
            share = _KEEP[int(rng.integers(len(_KEEP)))]
            told = [name for name in ATTRIBUTES if name != "subject"]
            keep = frozenset(name for name in told if rng.random() < share * self._interest(name))
        self.told = set(keep)
        self.line = ""
        self.gendered = "gender" in self.told
        woman = scene.person.gender == "woman"
        self.they = ("she" if woman else "he") if self.gendered else self.pick("they|the person|the speaker")
        self.their = ("her" if woman else "his") if self.gendered else "their"

    def _interest(self, name: str) -> float:
        """How readily a prompt says this: absence of glasses and beards, dry air and silence are rarely worth a word."""
        dull = {"glasses": "no", "beard": "no", "hat": "no", "weather": "clear"}
        if dull.get(name) != self.facts.get(name):
            return 1.0
        return 0.1 if name == "beard" and self.scene.person.gender == "woman" else 0.35

    # Dice

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, choices: str, *, held: bool = False) -> str:
        options = _options(choices, self.split, held=held)
        return options[int(self.rng.integers(len(options)))]

    def frame(self, choices: str) -> str:
        """Pick a turn of phrase; both eval splits take held-out ones."""
        return self.pick(choices, held=True)

    def word(self, table: dict[str, str], value: str) -> str:
        """Pick a synonym of a value: the plain word often, a held-out one in "eval-words"."""
        held = self.split == "eval-words"
        options = _options(table[value], self.split, held=held)
        if not held and self.chance(0.3):
            return options[0]
        return options[int(self.rng.integers(len(options)))]

    def shuffled(self, parts: Iterable[str]) -> list[str]:
        kept = [part for part in parts if part]
        return [kept[int(i)] for i in self.rng.permutation(len(kept))]

    def say(self, name: str, table: dict[str, str]) -> str:
        """A synonym of an attribute if it may be told, else nothing; now and then a thing for which it stands in."""
        if name not in self.told:
            return ""
        value = self.facts[name]
        if (name, value) in _STAND_INS and self.chance(0.08):
            return _NEAR_FRAMES.get(name, "{n}").replace("{n}", self.pick(_STAND_INS[name, value]))
        return self.word(table, value)

    # The person

    def hair(self) -> str:
        """A noun phrase such as "long ginger hair", or nothing."""
        colour = self.say("hair_colour", look.HAIR_COLOUR)
        if "hair_style" in self.told:
            return self.say("hair_style", look.HAIR_STYLE).replace("{c}", colour)
        return (
            self.frame("{c} hair|{c} hair|{c}-coloured hair|*hair of a {c} shade").replace("{c}", colour)
            if colour
            else ""
        )

    def clothes(self) -> str:
        """A noun phrase such as "a green jacket", or nothing."""
        colour = self.say("top_colour", look.TOP_COLOUR)
        garment = self.say("garment", look.GARMENT)
        if garment:
            frames = (
                "a {c} {g}|a {c} {g}|a {w} {c} {g}|a {c} {w} {g}|*a {g} in {c}|a {g} of {c} fabric"
                if colour
                else "a {g}|a {w} {g}"
            )
        elif colour:
            frames = "{c} clothes|{c} clothing|a {c} top|a {c} outfit|a {c} {o}|a {c} {o}|all {c}|*an outfit in {c}"
        else:
            return ""
        other = self.pick(undrawn.OTHER_GARMENTS)
        texture = self.pick(undrawn.TEXTURES)
        frame = self.frame(frames)
        return (
            frame.replace("{c}", colour).replace("{g}", garment).replace("{w}", texture).replace("{o}", other)
        )

    def skin(self) -> str:
        tone = self.say("skin", look.SKIN)
        return (
            self.frame("{s} skin|{s} skin|a {s} complexion|{s} skin tone|*skin of a {s} tone").replace(
                "{s}", tone
            )
            if tone
            else ""
        )

    def noun(self) -> str:
        """What the person is called, without an article."""
        age = self.pick(
            "young|old|elderly|middle-aged|smiling|cheerful|confident|tired|friendly|serious|stylish|tall"
        )
        role = self.pick(undrawn.ROLES)
        colour = self.facts["hair_colour"]
        if (
            not self.gendered
            and "hair_colour" in self.told
            and colour in look.HAIR_NOUNS
            and self.chance(0.4)
        ):
            noun = self.say("hair_colour", look.HAIR_NOUNS)
        elif not self.gendered:
            noun = (
                self.pick("person|presenter|speaker|character|host|adult|narrator")
                if self.chance(0.3)
                else role
            )
        elif self.chance(0.7):
            noun = self.word(look.GENDER, self.facts["gender"])
        else:
            noun = f"{'female' if self.facts['gender'] == 'woman' else 'male'} {role}"
        return f"{age} {noun}" if self.chance(0.3) else noun

    def features(self) -> tuple[list[str], list[str], str]:
        """Split the look into words before the noun, phrases after "with", and the clothes."""
        before: list[str] = []
        after: list[str] = []
        colour_only = "hair_colour" in self.told and "hair_style" not in self.told
        if colour_only and self.chance(0.25):
            exact = self.chance(0.5)
            before.append(
                self.say("hair_colour", look.HAIR_BEFORE)
                if exact
                else f"{self.say('hair_colour', look.HAIR_COLOUR)}-haired"
            )
        else:
            after.append(self.hair())
        if after and colour_only and self.chance(0.25):
            frame = self.frame("{t} hair {c}|{t} hair is {c}|{t} hair dyed {c}|*hair that is {c}")
            after = [
                frame.replace("{t}", self.their).replace("{c}", self.say("hair_colour", look.HAIR_COLOUR))
            ]
        if "skin" in self.told:
            if self.chance(0.25):
                before.append(f"{self.say('skin', look.SKIN)}-skinned")
            elif self.chance(0.2):
                before.append(self.say("skin", look.DEMONYMS))
            else:
                after.append(self.skin())
        self._worn(before, after)
        return self.shuffled(before), self.shuffled(after), self.clothes()

    def _worn(self, before: list[str], after: list[str]) -> None:
        """Add glasses, beard and hat, each if told."""
        for name, table, adjectives in (
            ("glasses", look.GLASSES, look.GLASSES_BEFORE),
            ("beard", look.BEARD, look.BEARD_BEFORE),
        ):
            if name in self.told:
                adjective = adjectives[self.facts[name]]
                if adjective and self.chance(0.25):
                    before.append(self.word(adjectives, self.facts[name]))
                else:
                    after.append(self.say(name, table))
        if "hat" in self.told:
            after.append(self.say("hat", look.HAT))
        bearded = self.facts["beard"] == "yes" and {"beard", "hair_colour"} <= self.told
        if bearded and "hair_style" not in self.told and self.chance(0.5):
            after.append(f"a {self.say('hair_colour', look.HAIR_COLOUR)} beard")

    def subject(self) -> str:
        """One noun phrase for the person with all that is told of the look."""
        before, after, clothes = self.features()
        garment_only = clothes and self.chance(0.08) and not clothes.startswith("all ")
        if garment_only:
            core = re.sub(r"^an?\s+", "", clothes)
            head = (
                f"{core.replace(' ', '-')}{self.pick('-wearing|-clad|ed|ed')}" if " in " not in core else ""
            )
            if head:
                before, clothes = [*before, head], ""
        head = " ".join(["a", ", ".join(before) if self.chance(0.5) else " ".join(before), self.noun()])
        if clothes and "garment" not in self.told and self.chance(0.4):
            clothes = self.say("top_colour", look.TOP_COLOUR)
        elif clothes and self.chance(0.2):
            after, clothes = self.shuffled([*after, clothes]), ""
        dressed = (
            f"{self.frame('in|wearing|dressed in|who wears|clad in|*sporting|*, dressed up in')} {clothes}"
            if clothes
            else ""
        )
        looks = self.listed(after)
        if looks:
            looks = f"{self.frame('with|who has|, with|having|*showing|*, notable for')} {looks}"
        tails = [dressed, looks] if self.chance(0.5) else [looks, dressed]
        glue = self.pick(" | and | , | , ")
        return f"{head} {glue.join(tail for tail in tails if tail)}"

    def listed(self, parts: Sequence[str]) -> str:
        kept = [part for part in parts if part]
        if len(kept) < 2:
            return "".join(kept)
        return ", ".join(kept[:-1]) + self.frame(" and | and |, | plus |*, as well as ") + kept[-1]

    def look_sentences(self) -> list[str]:
        """The look told apart from the person: "her hair is grey", "the jacket is green"."""
        garment, colour = self.say("garment", look.GARMENT), self.say("top_colour", look.TOP_COLOUR)
        hair = self.say("hair_colour", look.HAIR_COLOUR)
        if hair and colour and "hair_style" not in self.told and self.chance(0.4):
            frame = self.frame(look.BOTH_COLOURS)
            for slot, word in (("{h}", hair), ("{c}", colour), ("{g}", garment or "top")):
                frame = frame.replace(slot, word)
            sentences = [frame]
        else:
            sentences = [self._hair_sentence(hair), self._clothes_sentence(garment, colour)]
        skin = self.skin()
        sentences.append(f"{{T}} has {skin}" if skin else "")
        if "glasses" in self.told:
            sentences.append(f"{{T}} {self.pick('has|appears with')} {self.say('glasses', look.GLASSES)}")
        sentences.append(f"{{T}} has {self.say('beard', look.BEARD)}" if "beard" in self.told else "")
        if "hat" in self.told:
            sentences.append(f"{{T}} {self.pick('has|wears|is wearing')} {self.say('hat', look.HAT)}")
        return [self.with_pronouns(sentence) for sentence in self.shuffled(sentences)]

    def _hair_sentence(self, colour: str) -> str:
        if not colour or self.chance(0.5):
            hair = self.hair()
            return f"{{T}} {self.frame('has|*is seen with')} {hair}" if hair else ""
        style = self.hair_style_alone()
        if style and self.chance(0.5):
            return f"{{t}} hair is {colour}. {{T}} {self.frame('wears|has|*sports')} {style}"
        sentence = self.frame(look.HAIR_SENTENCES).replace("{c}", colour)
        return f"{sentence}, {style}" if style else sentence

    def _clothes_sentence(self, garment: str, colour: str) -> str:
        if garment and colour:
            return self.frame(look.CLOTHES_SENTENCES).replace("{g}", garment).replace("{c}", colour)
        if garment or colour:
            return f"{{T}} {self.frame('wears|is wearing|is dressed in|*has put on')} {self.clothes()}"
        return ""

    def hair_style_alone(self) -> str:
        style = self.say("hair_style", look.HAIR_STYLE)
        return re.sub(r"\s+", " ", style.replace("{c}", "")).strip()

    def with_pronouns(self, sentence: str) -> str:
        """Fill in the pronouns and mend their verbs."""
        sentence = sentence.replace("{T}", self.they).replace("{t}", self.their)
        if self.they == "they":
            for one, many in (
                ("has", "have"),
                ("wears", "wear"),
                ("is", "are"),
                ("appears", "appear"),
                ("sports", "sport"),
            ):
                sentence = re.sub(rf"\bthey {one}\b", f"they {many}", sentence)
        return sentence

    # What happens, where, how it is filmed

    def quoted(self) -> str:
        """The spoken line in one of the ways people quote."""
        line = self.scene.line
        if self.chance(0.05):
            line = self.foreign()
        elif self.chance(0.2):
            line = self.trap()
        elif self.chance(0.15):
            line = line.rstrip(".")
        self.line = line
        opening, closing = self.pick(_QUOTES).split("~")
        return f"{opening}{line}{closing}" if opening != ":" else f": {line}"

    def speech(self, *, finite: bool) -> str:
        """A verb phrase for the voice or its absence, or nothing."""
        if "speaks" not in self.told:
            return ""
        talking = action.SPEAKS if finite else action.SPEAKING
        phrase = self.say("speaks", talking)
        if self.facts["speaks"] == "no" or self.chance(0.3):
            return phrase
        verb = (
            self.frame("says|says|says:|tells us:|announces,|explains:|whispers|exclaims|*states,|*declares:")
            if finite
            else self.frame("saying|saying:|announcing|telling us:|*stating:")
        )
        if self.chance(0.3):
            return f"{phrase}, {self.pick('saying|saying:|with the words|lip-synced:')} {self.quoted()}"
        return f"{verb} {self.quoted()}"

    def action(self) -> str:
        return self.pick(undrawn.ACTIONS)

    def deed(self) -> str:
        """A sentence about what the person does; the world draws none of it."""
        frame = self.pick(
            "{T} {d} the {n}|{T} {d} {t} {n}|{T} {d} a {c} {n}|{T} {d} the {n}, {t} hand on a {c} {m}"
        )
        frame = frame.replace("{c}", self.pick(undrawn.ANY_COLOUR)).replace(
            "{n}", self.pick(f"{undrawn.THINGS}|ball|football")
        )
        frame = (
            frame.replace("{m}", self.pick(undrawn.THINGS))
            .replace("{T}", self.they)
            .replace("{t}", self.their)
        )
        return frame.replace("{d}", self.agreeing(self.pick(undrawn.DEEDS)).strip())

    def setting(self, *, nouns: bool = False) -> list[str]:
        """Place, time and weather, each if told: as adverbials, or as bare nouns for tags and blocks."""
        place = self.say("environment", surroundings.ENVIRONMENT).replace(
            "{k}", self.pick(undrawn.ANY_COLOUR)
        )
        if not nouns:
            return [place, self.say("time", surroundings.TIME), self.say("weather", surroundings.WEATHER)]
        return [
            f"{bare(place)}{self.pick('|| setting| scene| background')}"
            if place and self.chance(0.8)
            else place,
            self.say("time", surroundings.TIME_NOUNS),
            self.say("weather", surroundings.WEATHER_NOUNS),
        ]

    def camera(self, *, clauses: bool = False) -> list[str]:
        """Framing and movement, each if told."""
        shot = self.say("shot", filming.SHOT)
        move = self.say("move", filming.MOVE_CLAUSES if clauses and self.chance(0.6) else filming.MOVE)
        other = self.pick(undrawn.OTHER_MOVES) if not move and self.chance(0.12) else ""
        return self.shuffled([shot, move, other])

    def decor(self, most: int) -> list[str]:
        return [self.pick(undrawn.DECOR) for _ in range(int(self.rng.integers(most + 1)))]

    def scenery(self) -> str:
        """A sentence about a coloured thing that the world does not hold: a trap for anyone who counts words."""
        frame = self.frame(undrawn.SCENERY)
        colour = self.pick(undrawn.ANY_COLOUR)
        for slot, choices in (
            ("{n}", undrawn.THINGS),
            ("{m}", undrawn.THINGS),
            ("{v}", undrawn.DOINGS),
            ("{a}", undrawn.MOODS),
        ):
            frame = frame.replace(slot, self.pick(choices))
        return frame.replace("{c}", colour)

    def trap(self) -> str:
        """A spoken line full of words that would mean something outside the quotes."""
        tables = (surroundings.TIME, surroundings.ENVIRONMENT, surroundings.WEATHER)
        anywhere = [self.pick("|".join(table.values())) for table in tables if self.chance(0.5)]
        colour, thing = (
            self.pick(undrawn.ANY_COLOUR),
            self.pick(f"{undrawn.THINGS}|hair|jacket|shirt|sweater|coat|dress"),
        )
        start = self.pick(
            "the {c} {n} is here|I love my {c} {n}|bring the {c} {n}|where is the {c} {n}|I met you"
        )
        line = " ".join([start.replace("{c}", colour).replace("{n}", thing), *anywhere]).replace(
            "{k}", colour
        )
        return capital(line) + self.pick(".|!|")

    def foreign(self) -> str:
        """Letters of another script: what they say is for the speech path to know, not for the encoder."""
        first, last = _SCRIPTS[int(self.rng.integers(len(_SCRIPTS)))]
        letters = [chr(int(code)) for code in self.rng.integers(first, last, int(self.rng.integers(4, 24)))]
        return "".join(letter + (" " if self.chance(0.15) else "") for letter in letters)

    def agreeing(self, phrase: str) -> str:
        """Agree a finite verb phrase with "they"."""
        if self.they != "they":
            return phrase
        first, _, rest = phrase.partition(" ")
        plural = {
            "says": "say",
            "says:": "say:",
            "does": "do",
            "is": "are",
            "addresses": "address",
            "has": "have",
        }.get(first)
        return f"{plural or re.sub(r's(?=[:,]?$)', '', first)} {rest}"
