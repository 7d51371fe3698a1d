"""Words for how a person looks: for each value of each attribute, the many that people use.

Lists here and beside are |-separated; the first entry is the plain word, an entry with a star is held out of training.
`{c}` marks where a colour goes.
"""

from __future__ import annotations

GENDER: dict[str, str] = {
    "woman": (
        "woman|woman|lady|young woman|girl|female|old woman|grandmother|businesswoman|mother|"
        "elderly woman|actress|waitress|mum|sister|queen|hostess|*gal|*daughter"
    ),
    "man": (
        "man|man|guy|young man|gentleman|male|boy|bloke|dude|old man|grandfather|businessman|father|dad|"
        "waiter|brother|salesman|king|*chap|*fellow"
    ),
}
SKIN: dict[str, str] = {
    "fair": "fair|pale|porcelain|very fair|very pale|pasty|milky|*alabaster",
    "light": "light|peachy|light beige|rosy|rosy light|*creamy light",
    "tan": "tan|tanned|olive|bronzed|sun-kissed|suntanned|golden tan|*honeyed",
    "brown": "brown|medium brown|caramel|warm brown|light brown|*cinnamon",
    "dark": "dark|very dark|dark brown|deep dark|black|ebony|*deep",
}
DEMONYMS: dict[str, str] = {
    "fair": "Scandinavian|Nordic|Irish|Swedish",
    "light": "white|Caucasian|European",
    "tan": "Mediterranean|Hispanic|Middle Eastern|Italian|Greek",
    "brown": "Indian|South Asian|Pakistani",
    "dark": "Black|African|African-American|Nigerian|Kenyan",
}
HAIR_COLOUR: dict[str, str] = {
    "black": "black|jet-black|raven|raven-black|dark black|ebony|pitch-black|*inky black",
    "brown": "brown|brunette|chestnut|chocolate brown|dark brown|light brown|hazel|brownish|*mahogany",
    "blonde": (
        "blonde|blond|golden|flaxen|platinum blonde|honey-blonde|fair|yellow|straw-coloured|dirty blonde|"
        "*sandy"
    ),
    "ginger": "ginger|auburn|copper|red|coppery|fiery red|orange|bright red|reddish|strawberry red|*russet",
    "grey": (
        "grey|gray|silver|silvery|ash-grey|salt-and-pepper|steel grey|silver-grey|greying|ashen|*pewter"
    ),
    "white": "white|snow-white|pure white|bright white|ivory|snowy|*milky white",
    "pink": "pink|hot pink|pastel pink|bubblegum pink|rose|rose-pink|dyed pink|magenta|*fuchsia",
    "blue": "blue|navy|electric blue|dyed blue|sky-blue|cobalt|dark blue|light blue|bright blue|*azure",
    "green": "green|emerald|lime|dyed green|mint|neon green|dark green|bright green|mint-green|*jade",
    "purple": "purple|violet|lavender|lilac|dyed purple|plum|dark purple|*amethyst",
}
HAIR_BEFORE: dict[str, str] = {
    "black": "black-haired|raven-haired|dark-haired",
    "brown": "brunette|brown-haired|chestnut-haired",
    "blonde": "blonde|blonde|blond|fair-haired|blonde-haired|golden-haired",
    "ginger": "redheaded|redhead|ginger|red-haired|ginger-haired|auburn-haired|*carrot-topped",
    "grey": "grey-haired|gray-haired|silver-haired|greying",
    "white": "white-haired|snowy-haired|*hoary",
    "pink": "pink-haired|rose-haired",
    "blue": "blue-haired",
    "green": "green-haired|emerald-haired",
    "purple": "purple-haired|violet-haired|lavender-haired",
}
HAIR_NOUNS: dict[str, str] = {
    "blonde": "blonde|blond",
    "ginger": "redhead|ginger|*carrot-top",
    "brown": "brunette",
}
HAIR_STYLE: dict[str, str] = {
    "long": (
        "long {c} hair|long {c} hair|{c} long hair|{c} hair worn long|waist-length {c} hair|"
        "flowing {c} hair|long straight {c} hair|long {c} locks|{c} hair down to the shoulders|"
        "long wavy {c} hair|*lengthy {c} hair|*{c} hair of great length"
    ),
    "bob": (
        "a {c} bob|{c} hair in a bob|a {c} bob cut|a chin-length {c} bob|bobbed {c} hair|"
        "chin-length {c} hair|a sleek {c} bob|a {c} bob haircut|*a {c} pageboy"
    ),
    "bun": (
        "a {c} bun|{c} hair in a bun|{c} hair tied up in a bun|a {c} top knot|{c} hair tied up|"
        "a {c} updo|{c} hair pinned up|a messy {c} bun|a {c} chignon|*{c} hair gathered into a knot"
    ),
    "curly": (
        "curly {c} hair|{c} curly hair|{c} curls|frizzy {c} hair|{c} ringlets|curled {c} hair|"
        "a head of {c} curls|tightly curled {c} hair|a {c} afro|*corkscrew {c} hair"
    ),
    "short": (
        "short {c} hair|{c} short hair|cropped {c} hair|short-cropped {c} hair|{c} hair cut short|"
        "a short {c} haircut|a {c} pixie cut|short straight {c} hair|*closely trimmed {c} hair"
    ),
    "buzz": (
        "a {c} buzz cut|buzzed {c} hair|a {c} crew cut|a shaved head with {c} stubble|"
        "{c} hair in a buzz cut|a {c} buzzcut|almost shaved {c} hair|*a military {c} haircut"
    ),
    "quiff": (
        "a {c} quiff|{c} hair in a quiff|a {c} pompadour|swept-up {c} hair|{c} hair swept up and back|"
        "a tall {c} quiff|a slick {c} pompadour|*a rockabilly {c} hairdo"
    ),
}
GARMENT: dict[str, str] = {
    "t-shirt": "t-shirt|t-shirt|tee|T shirt|tshirt|crew-neck tee|cotton tee|tee shirt|*crewneck top",
    "sweater": (
        "sweater|sweater|jumper|pullover|knit sweater|knitted jumper|wool sweater|turtleneck|"
        "turtleneck sweater|*woollen knit"
    ),
    "hoodie": (
        "hoodie|hoodie|hooded sweatshirt|hoody|hooded top|zip-up hoodie|oversized hoodie|*hooded pullover"
    ),
    "jacket": (
        "jacket|jacket|blazer|coat|leather jacket|bomber jacket|suit jacket|windbreaker|suit|"
        "denim jacket|sports jacket|*anorak"
    ),
    "shirt": (
        "shirt|shirt|button-up shirt|blouse|dress shirt|button-down shirt|collared shirt|linen shirt|"
        "button-up|*oxford shirt"
    ),
}
TOP_COLOUR: dict[str, str] = {
    "red": (
        "red|scarlet|crimson|cherry-red|bright red|ruby|dark red|burgundy|fire-engine red|maroon|*vermilion"
    ),
    "orange": "orange|tangerine|pumpkin orange|bright orange|burnt orange|rust-orange|coral|*apricot",
    "yellow": (
        "yellow|mustard|lemon|sunflower yellow|golden|canary yellow|bright yellow|lemon-yellow|*saffron"
    ),
    "green": "green|emerald|olive|bottle green|lime|mint|sage|dark green|bright green|khaki green|*jade",
    "blue": "blue|navy|cobalt|royal blue|sky-blue|light blue|dark blue|bright blue|navy-blue|indigo|*azure",
    "purple": "purple|violet|lavender|lilac|plum|dark purple|deep purple|*amethyst",
    "pink": "pink|hot pink|pastel pink|rose|rose-pink|salmon pink|bubblegum pink|magenta|*fuchsia",
    "white": "white|off-white|cream|ivory|snow-white|crisp white|cream-coloured|pure white|*pearl white",
    "grey": "grey|gray|charcoal|slate|heather grey|light grey|dark grey|slate-grey|*pewter",
    "black": "black|jet-black|dark black|pitch-black|ebony|matte black|*inky black",
}
GLASSES: dict[str, str] = {
    "no": "no glasses|no spectacles|no eyewear|*bare eyes without lenses",
    "yes": (
        "glasses|glasses|spectacles|eyeglasses|round glasses|thick-rimmed glasses|specs|"
        "horn-rimmed glasses|reading glasses|wire-rimmed spectacles|black-framed glasses|"
        "a pair of glasses|thin glasses|*bifocals"
    ),
}
GLASSES_BEFORE: dict[str, str] = {"no": "", "yes": "bespectacled|glasses-wearing|*four-eyed"}
BEARD: dict[str, str] = {
    "no": "no beard|no facial hair|a clean-shaven face|a smooth-shaven chin|*hairless cheeks",
    "yes": (
        "a beard|a beard|a full beard|a bushy beard|a trimmed beard|facial hair|a thick beard|"
        "a neat beard|a short beard|*whiskers"
    ),
}
BEARD_BEFORE: dict[str, str] = {
    "no": "clean-shaven|beardless|*smooth-faced",
    "yes": "bearded|bearded|unshaven|*whiskered",
}
HAT: dict[str, str] = {
    "no": "no hat|no hat|no headwear|bareheaded|without a hat|*nothing on the head",
    "cap": "a cap|a cap|a baseball cap|a peaked cap|a trucker cap|a ball cap|a flat cap|*a snapback",
    "beanie": "a beanie|a beanie|a knit cap|a woolly hat|a knitted hat|a wool hat|a bobble hat|a winter hat|*a toque",
    "straw hat": "a straw hat|a straw hat|a sun hat|a hat|a wide-brimmed hat|a brimmed hat|a summer hat|a fedora|a cowboy hat|*a boater",
}
HAIR_SENTENCES = (
    "{t} hair is {c}|{t} {c} hair catches the light|{t} hair looks {c}|*the colour of {t} hair is {c}|"
    "*{c} is the colour of {t} hair"
)
CLOTHES_SENTENCES = (
    "{t} {g} is {c}|the {g} is {c}|{T} wears a {c} {g}|{T} is in a {c} {g}|{T} wears a {g} and it is {c}|"
    "*{t} {g} comes in {c}|*a {c} {g} is what {T} wears"
)
BOTH_COLOURS = (
    "{t} {g} is {c} and {t} hair is {h}|{t} hair is {h} and {t} {g} is {c}|{h} hair. {c} {g}|{c} {g}. {h} hair|"
    "{T} has {h} hair and a {c} {g}|{T} wears a {c} {g} and has {h} hair|{h} hair, {c} {g}|the {g} is {c}, the hair {h}|"
    "in a {c} {g}, {t} hair is {h}|{h} is the hair, {c} the {g}|*{c} for the {g} but {h} for the hair|"
    "*hair of {h} above a {g} of {c}"
)
"""Sentences that tell hair {h} and top {c} {g} at once; {T} and {t} are the pronouns."""
