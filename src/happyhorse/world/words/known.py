"""What the world knows of a prompt's words: all that name a value, what is drawn instead of some others, and what names nothing.

Planning reads this as a file, model/vocabulary.txt, so that it can say which words of a prompt mean nothing to nano.
"""

from __future__ import annotations

import re

from happyhorse.world.scene import ATTRIBUTES
from happyhorse.world.words import action, filming, look, surroundings, undrawn


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LEXICON: dict[str, tuple[dict[str, str], ...]] = {
    "gender": (look.GENDER,),
    "skin": (look.SKIN, look.DEMONYMS),
    "hair_style": (look.HAIR_STYLE,),
    "hair_colour": (look.HAIR_COLOUR,),
    "garment": (look.GARMENT,),
    "top_colour": (look.TOP_COLOUR,),
    "glasses": (look.GLASSES, look.GLASSES_BEFORE),
    "beard": (look.BEARD, look.BEARD_BEFORE),
    "environment": (surroundings.ENVIRONMENT,),
    "time": (surroundings.TIME, surroundings.TIME_NOUNS),
    "weather": (surroundings.WEATHER, surroundings.WEATHER_NOUNS),
    "shot": (filming.SHOT,),
    "move": (filming.MOVE, filming.MOVE_CLAUSES),
    "speaks": (action.SPEAKS, action.SPEAKING),
    "hat": (look.HAT,),
    "subject": (action.BALL,),
}
"""Every table of an attribute's words."""

HEARD = (
    "room tone|ambience|waves crashing|crashing waves|surf|sea|ocean waves|birdsong|birds chirping|distant traffic|city traffic|"
    "murmur of a crowd|chatter|clinking cups|rain|raindrops|hum"
)
"""What `sound.ambience` makes."""

NEAREST: dict[str, tuple[str, str]] = {
    "wide shot": ("shot", "medium shot"), "full shot": ("shot", "medium shot"), "establishing shot": ("shot", "medium shot"),
    "restaurant": ("environment", "cafe"), "diner": ("environment", "cafe"), "bakery": ("environment", "cafe"), "pub": ("environment", "cafe"),
    "alley": ("environment", "street"), "plaza": ("environment", "street"), "town square": ("environment", "street"), "market": ("environment", "street"),
    "park": ("environment", "forest"), "garden": ("environment", "forest"), "jungle": ("environment", "forest"), "rainforest": ("environment", "forest"),
    "island": ("environment", "beach"), "harbour": ("environment", "beach"), "lakeside": ("environment", "beach"),
    "library": ("environment", "office"), "classroom": ("environment", "office"), "laboratory": ("environment", "office"), "hospital": ("environment", "office"),
    "stage": ("environment", "studio"), "dining room": ("environment", "kitchen"),
    "storm": ("weather", "rain"), "thunderstorm": ("weather", "rain"), "blue hour": ("time", "night"),
    "ponytail": ("hair_style", "bun"), "braids": ("hair_style", "long"), "bald head": ("hair_style", "buzz"), "dreadlocks": ("hair_style", "long"),
    "moustache": ("beard", "yes"), "goatee": ("beard", "yes"), "stubble": ("beard", "yes"), "sunglasses": ("glasses", "yes"),
    "cardigan": ("garment", "sweater"), "tank top": ("garment", "t-shirt"), "raincoat": ("garment", "jacket"), "polo shirt": ("garment", "shirt"),
    "trench coat": ("garment", "jacket"), "sweatshirt": ("garment", "sweater"), "tuxedo": ("garment", "jacket"),
    "teal": ("top_colour", "green"), "turquoise": ("top_colour", "blue"), "beige": ("top_colour", "white"), "brown": ("top_colour", "orange"), "silver": ("top_colour", "grey"),
    "gold": ("top_colour", "yellow"),
}  # fmt: skip
"""Words outside the world and what stands in for them. Captions use them now and then, so the encoder reads them too."""

FUNCTION_WORDS = _set(
    "a about above across after again against all almost along already also although always am among an and another any anyone anything are around "
    "as at away back be because become been before begin behind being below beneath beside between beyond both but by can could did do does doing "
    "done down during each either else end enough even ever every everyone everything few first for from full further get gets give gives go goes "
    "got had half has have having he her here hers him his how however i if in inside instead into is it its itself just keep kept last later least "
    "leave left less let like little look looking looks lot made make makes making many may me means might mine more most much must my near nearby "
    "need neither never new next no none nor not nothing now of off often on once one only onto or other our ours out outside over own past per "
    "perhaps please put quite rather really right same second see seen seems several she should show shows side since slightly slow slowly small so "
    "some someone something sometimes soon still such take takes than that the their them then there these they thing things third this those three "
    "through throughout time to together too toward towards turn turns two under until up upon us use used using very video was way we well were what "
    "when where whether which while who whole whose why will with within without would yet you your"
)
"""Words that name nothing, so a plan has nothing to say about them."""

PROMPT_WORDS = _set(
    "subject action environment style camera audio scene shot clip prompt image frame frames background foreground setting location place dialogue line "
    "voice speech sound music person people character weather light lighting lens hair clothes clothing outfit wardrobe complexion movement motion second "
    "seconds duration vertical horizontal reference persona face eyes mouth lips lip sync lip-sync top garment skin english wearing wears dressed says speaks saying "
    "camera's viewer natural subtle warm cool soft bright dark gentle calm"
)
"""Words that prompts are built of."""


def vocabulary() -> list[str]:
    """Lines of model/vocabulary.txt, sorted: a word the world knows, or "word<TAB>attribute=value" for a stand-in.

    A stand-in is a word outside the world for which a value is drawn instead; "person" and "garment=any" say that the
    occupation or the cut of the garment is not drawn.
    """
    texts = (text for tables in LEXICON.values() for table in tables for text in table.values())
    taught = [entry for text in texts for entry in text.split("|") if not entry.startswith("*")]
    around = (undrawn.TEXTURES, undrawn.ACTIONS, undrawn.DECOR, undrawn.ANY_COLOUR)
    lists = [*taught, *around, HEARD, *ATTRIBUTES]
    lists += [value for values in ATTRIBUTES.values() for value in values]
    known = {word for text in lists for word in re.findall(r"[a-zé]+(?:-[a-zé]+)*", text.lower())}
    known |= {part for word in known for part in word.split("-")} | FUNCTION_WORDS | PROMPT_WORDS
    stands_in = {word: f"{name}={value}" for word, (name, value) in NEAREST.items() if word not in known}
    stands_in |= {word: "subject=person" for word in undrawn.ROLES.split("|") if word not in taught}
    garments = undrawn.OTHER_GARMENTS.split("|")
    stands_in |= {word: "garment=any" for word in garments if word not in PROMPT_WORDS}
    known -= stands_in.keys()
    return sorted(
        [f"{word}\t{target}" for word, target in stands_in.items()]
        + [word for word in known if len(word) > 1]
    )
