"""Prompts for scenes: several writers who say the same truth in many words, and leave things out.

A caption is what a user might have typed to get the scene. It names a random subset of the scene's attributes, each by
one of many synonyms, in one of several manners (six labelled parts, prose, tags, key: value, flowery cinematic prose),
among words that mean nothing to the world. `Caption.mentioned` says which attributes it gives away.

Every phrase (`phrases/`) throws the dice once more, so no two captions need agree. The lexicon lives in `words/`; entries
with a star are never written in the "train" split. "eval" draws held-out turns of phrase around known words, "eval-words"
also the held-out words, so that both kinds of generalisation can be measured.
Pure functions of (scene, rng); torch-free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from happyhorse.world.phrases.dice import Split
from happyhorse.world.phrases.mend import bare, capital, tidy
from happyhorse.world.phrases.person import PersonPhrases
from happyhorse.world.phrases.setting import SettingPhrases
from happyhorse.world.phrases.undrawn import UndrawnPhrases
from happyhorse.world.phrases.voice import VoicePhrases
from happyhorse.world.scene import ATTRIBUTES, Scene
from happyhorse.world.words import action, filming, look, surroundings, undrawn

_SETTING = ("environment", "time", "weather")
_COLOURED = ("hair_colour", "top_colour")


@dataclass(frozen=True)
class Caption:
    """A prompt, the attributes it gives away, what it says is seen (a value of "subject", or nothing), and what it has in quotes.

    The quoted line is now and then another than the scene's: words in quotes say nothing of the scene.
    """

    text: str
    mentioned: frozenset[str]
    subject: str
    quoted: str = ""


def caption(
    scene: Scene, rng: np.random.Generator, *, split: Split = "train", keep: frozenset[str] | None = None
) -> Caption:
    """Write one prompt for the scene; `keep` fixes which attributes are named, else each is left out at random."""
    writer = _Writer(scene, rng, split, keep)
    if scene.ball:
        return writer.about_ball()
    roll = rng.random()
    if keep is None and roll < 0.07:
        return writer.without_person()
    manners = (writer.blocks, writer.prose, writer.flowery, writer.tags, writer.pairs, writer.brief)
    chances = (0.17, 0.25, 0.16, 0.16, 0.1, 0.16)
    manner = manners[int(rng.choice(len(manners), p=chances))]
    return writer.finish(manner())


def caption_of_setting(scene: Scene, rng: np.random.Generator) -> Caption:
    """Write a prompt that speaks of something the world does not hold, in the scene's place and by its camera, if told."""
    return _Writer(scene, rng, "train", None).without_person()


class _Writer(PersonPhrases, VoicePhrases, SettingPhrases, UndrawnPhrases):
    """One caption in the making, in one of the manners."""

    def blocks(self) -> str:
        """Six labelled parts, some missing, in one of several typographies."""
        before, after, clothes = self.features() if self.chance(0.3) else ([], [], "")
        if before or after or clothes:
            subject = ", ".join([" ".join([*before, self.noun()]), *self.shuffled([*after, clothes])])
        else:
            subject = self.subject()
        sound = [self.pick(undrawn.SOUNDS) if self.chance(0.5) else ""]
        speech = self.speech(finite=False)
        in_audio = self.chance(0.5)
        parts = [
            ("Subject", subject),
            (
                "Action",
                ", ".join(
                    self.shuffled([self.action() if self.chance(0.6) else "", "" if in_audio else speech])
                ),
            ),
            ("Environment", ", ".join(self.shuffled(self.setting(nouns=self.chance(0.5))))),
            ("Style", ", ".join(self.decor(3))),
            ("Camera", ", ".join(self.camera())),
            ("Audio", ", ".join(self.shuffled([*sound, speech if in_audio else ""]))),
        ]
        if self.chance(0.2):
            parts = [parts[int(i)] for i in self.rng.permutation(len(parts))]
        frame = self.frame(
            "{l}: {p}. |{l}: {p}. |[{l}] {p} |{l} - {p}; |\n**{l}:** {p}|{l}: {p}\n|*<{l}> {p}\n|*{l} = {p}. "
        )
        upper = self.chance(0.15)
        return "".join(
            frame.replace("{l}", label.upper() if upper else label).replace("{p}", part)
            for label, part in parts
            if part
        )

    def prose(self) -> str:
        """Plain sentences."""
        setting = self.setting()
        voice = self.speech(finite=True)
        if self.chance(0.5):
            first = f"{self.subject()} {self.frame('is|stands|sits|appears|waits|*can be seen|*lingers')} {' '.join(setting)}"
            sentences = [first, f"{self.they} {self.agreeing(voice)}" if voice else ""]
        else:
            gerund = self.speech(finite=False)
            sentences = [f"{self.subject()} {' '.join(setting)}{', ' + gerund if gerund else ''}"]
        if self.chance(0.3):
            told = self.facts["gender"]
            noun = told if self.gendered else "person"
            opening = self.frame(
                "There is a {n}|We see a {n}|Show me a {n}|Make a video of a {n}|*Picture a {n}|*Give me a {n}"
            )
            place = " ".join(setting)
            looks = self.look_sentences()
            first = f"{opening.replace('{n}', noun)} {place}"
            if looks and self.chance(0.3):  # straight to the look; the pronouns tell the gender
                first = f"{self.with_pronouns('{T} is')} {place}" if place.strip() else self.deed()
            sentences = [first, *looks, sentences[-1] if len(sentences) > 1 else ""]
        camera = self.camera(clauses=True)
        sentences.append(
            self.frame("{k}|Shot: {k}|Filmed as {k}|The camera: {k}|*For the camera, {k}").replace(
                "{k}", ", ".join(camera)
            )
            if camera
            else ""
        )
        sentences += [", ".join(self.decor(2)), self.scenery() if self.chance(0.2) else ""]
        sentences.append(self.deed() if self.chance(0.2) else "")
        head, rest = sentences[0], self.shuffled(sentences[1:])
        return ". ".join(capital(s.strip()) for s in [head, *rest] if s) + self.pick(".|.|")

    def flowery(self) -> str:
        """Long cinematic prose in which little matters."""
        place, hour, weather = self.setting()
        opening = self.frame(undrawn.OPENINGS)
        sentences = [
            f"{opening} {self.subject()} {place}",
            f"{capital(hour)} {weather}, {self.pick(undrawn.AIR)}" if hour or weather else "",
            f"{self.they} {self.agreeing(self.speech(finite=True))}" if "speaks" in self.told else "",
            ", ".join(self.camera(clauses=True)),
        ]
        extra = (
            [self.scenery() for _ in range(int(self.rng.integers(1, 4)))]
            + self.decor(2)
            + [self.pick(undrawn.AIR)]
            + [self.deed() if self.chance(0.5) else ""]
        )
        head, rest = sentences[0], self.shuffled([*sentences[1:], *extra])
        return ". ".join(capital(s.strip()) for s in [head, *rest] if s) + "."

    def tags(self) -> str:
        """Terse tags in any order."""
        before, after, clothes = self.features()
        noun = self.noun() if self.gendered or self.chance(0.5) else ""
        person = [" ".join([*before, noun])] if self.chance(0.5) else [*before, noun]
        voice = self.speech(finite=False)
        tags = [*person, *after, clothes, *self.setting(nouns=True), *self.camera(), voice, *self.decor(3)]
        return self.pick(", |, |, |; | / | + |. ").join(self.shuffled(tags))

    def pairs(self) -> str:
        """Key and value: "hair: grey; jacket: green"."""
        garment = self.say("garment", look.GARMENT)
        colour = self.say("top_colour", look.TOP_COLOUR)
        hair = ", ".join(self.shuffled([self.say("hair_colour", look.HAIR_COLOUR), self.hair_style_alone()]))
        rows = [
            (
                self.pick("who|subject|person|character"),
                self.noun() if self.gendered or self.chance(0.3) else "",
            ),
            (self.pick("hair|hair colour and cut|hairstyle"), hair),
            (garment, colour)
            if garment and colour
            else (self.pick("clothes|top|wearing|outfit|wardrobe"), garment or colour),
            (self.pick("skin|complexion|skin tone"), self.say("skin", look.SKIN)),
            ("glasses", self.facts["glasses"] if "glasses" in self.told else ""),
            ("beard", self.facts["beard"] if "beard" in self.told else ""),
            (self.pick("hat|headwear"), self.say("hat", look.HAT)),
            (self.pick("place|location|setting|where|background"), bare(self.setting()[0])),
            (self.pick("time|time of day|light|when"), self.say("time", surroundings.TIME_NOUNS)),
            (self.pick("weather|sky"), self.say("weather", surroundings.WEATHER_NOUNS)),
            (self.pick("shot|framing"), self.say("shot", filming.SHOT)),
            (self.pick("camera|camera move|movement"), self.say("move", filming.MOVE)),
            (self.pick("dialogue|line|voice"), self._dialogue()),
        ]
        if self.chance(0.7):
            rows = [rows[int(i)] for i in self.rng.permutation(len(rows))]
        frame, glue = (
            self.frame("{k}: {v}|{k}: {v}|{k}={v}|{k} - {v}|*{k} is {v}"),
            self.pick("; |, |\n|. | | "),
        )
        return glue.join(frame.replace("{k}", key).replace("{v}", value) for key, value in rows if value)

    def _dialogue(self) -> str:
        if "speaks" not in self.told:
            return ""
        if self.facts["speaks"] == "no":
            return self.pick("none|no dialogue|no speech|silent")
        return self.quoted().lstrip(":") if self.chance(0.7) else self.say("speaks", action.SPEAKING)

    def brief(self) -> str:
        """What someone types in a hurry: one line, half of it told."""
        few = self.rng.permutation(len(self.told))[: int(self.rng.integers(1, 6))]
        ordered = sorted(self.told)
        self.told = {ordered[int(i)] for i in few} | (
            self.told & set(_COLOURED) if self.chance(0.5) else set()
        )
        if self.gendered and "gender" not in self.told:
            self.gendered, self.they, self.their = False, "they", "their"
        voice = self.speech(finite=False)
        camera = self.camera()
        return ", ".join(
            part for part in [f"{self.subject()} {' '.join(self.setting())}", voice, *camera] if part.strip()
        )

    def without_person(self) -> Caption:
        """A prompt about something else, which names the setting at most."""
        self.told &= {*_SETTING, "move"}
        if self.chance(0.4):
            self.told = set()
        sentences = [
            f"{self.scenery()} {' '.join(self.setting())}",
            *self.camera(clauses=True),
            *self.decor(2),
        ]
        sentences += [self.scenery() for _ in range(int(self.rng.integers(3)))]
        if self.chance(0.1):
            self.told, sentences = set(), [self.foreign() for _ in range(int(self.rng.integers(1, 4)))]
        text = ". ".join(capital(s.strip()) for s in self.shuffled(sentences)) + "."
        return Caption(self._roughen(tidy(text)), frozenset(self.told), subject="")

    def about_ball(self) -> Caption:
        """A prompt about a ball that bounces: a sentence, labelled parts or tags; its colour and the rest are told or not."""
        told_colour = self.chance(0.75)
        assert self.scene.ball is not None
        colour = self.word(look.TOP_COLOUR, self.scene.ball.colour) if told_colour else ""
        noun = self.pick(action.BALL["noun"], held=True)
        mood = self.pick(undrawn.MOODS) if self.chance(0.15) else ""
        subject = " ".join(word for word in (self.pick("a|a|one|the"), mood, colour, noun) if word)
        if colour and self.chance(0.12):
            subject = f"{self.pick('a|the')} {noun} in {colour}"
        deed = self.pick(action.BALL["verb"], held=True) if self.chance(0.9) else ""
        where = self.pick(action.BALL["place"], held=True) if self.chance(0.7) else ""
        heard = self.pick(action.BALL["sound"], held=True) if self.chance(0.4) else ""
        voice = self.speech(finite=False)
        roll, setting = self.rng.random(), self.setting(nouns=self.chance(0.4))
        if roll < 0.55:
            first = f"{self.frame('|||we see |a video of |close on |*behold, ')}{subject} {deed} {where} {' '.join(setting)}"
            rest = [heard, voice, ", ".join(self.camera(clauses=True)), ", ".join(self.decor(2))]
            text = ". ".join(capital(s.strip()) for s in [first, *self.shuffled(rest)] if s.strip()) + "."
        elif roll < 0.75:
            parts = [
                ("Subject", subject),
                ("Action", f"{deed} {where}".strip()),
                ("Environment", ", ".join(self.shuffled(setting))),
                ("Style", ", ".join(self.decor(3))),
                ("Camera", ", ".join(self.camera())),
                ("Audio", ", ".join(self.shuffled([heard, voice]))),
            ]
            text = ". ".join(f"{label}: {part}" for label, part in parts if part.strip(" ,"))
        else:
            tags = [subject, deed, where, *setting, *self.camera(), heard, voice, *self.decor(2)]
            text = self.pick(", |, |; ").join(tag for tag in self.shuffled(tags) if tag)
        seen = f"{self.scene.ball.colour} ball" if told_colour else "ball"
        return Caption(
            self._roughen(tidy(text)), frozenset(self.told & set(self.facts)), subject=seen, quoted=self.line
        )

    def finish(self, text: str) -> Caption:
        """Tidy the text, let the odd slip in, and say what it gives away."""
        return Caption(self._roughen(tidy(text)), frozenset(self.told), subject="person", quoted=self.line)

    def _roughen(self, text: str) -> str:
        roll = self.rng.random()
        if roll < 0.08:
            text = text.lower()
        elif roll < 0.1:
            text = text.upper()
        elif roll < 0.18:
            text = self._misspell(text)
        return text

    def _misspell(self, text: str) -> str:
        """Double, drop or swap one letter inside a long word."""
        spots = [match.start() for match in re.finditer(r"(?<=\w\w)\w(?=\w\w)", text)]
        if not spots:
            return text
        i = spots[int(self.rng.integers(len(spots)))]
        kind = int(self.rng.integers(3))
        middle = (text[i] * 2 + text[i + 1], text[i + 1], text[i + 1] + text[i])[kind]
        return text[:i] + middle + text[i + 2 :]


def swapped_colours(scene: Scene) -> Scene | None:
    """The scene with hair and top colour exchanged, or None if they agree or one palette lacks the other's colour."""
    hair, top = scene.person.hair_colour, scene.person.top_colour
    if hair == top or hair not in ATTRIBUTES["top_colour"] or top not in ATTRIBUTES["hair_colour"]:
        return None
    return replace(scene, person=replace(scene.person, hair_colour=top, top_colour=hair))
