"""How a caption calls the person and tells the look: noun phrases and sentences."""

from __future__ import annotations

import re

from happyhorse.world.phrases.teller import Teller
from happyhorse.world.words import look, undrawn


class PersonPhrases(Teller):
    """The person, hair, clothes, skin and what is worn."""

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
