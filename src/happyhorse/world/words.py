"""The lexicon of captions: for each value of each attribute, the many words people use for it.

Lists are |-separated; the first entry is the plain word, an entry with a star is held out of training. `{c}` marks where
a colour goes. NEAREST names what the world does not hold beside what it draws instead, so that a plan can say so.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


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
BALL: dict[str, str] = {
    "noun": "ball|ball|rubber ball|bouncy ball|bouncing ball|toy ball|beach ball|small ball|shiny ball|ball with a white stripe|*playball",
    "verb": (
        "bounces|bounces|is bouncing|bounces up and down|drops and bounces|falls and bounces|hops|keeps bouncing|jumps up and down|"
        "is dropped|falls|drops|bounces again and again|bouncing|bouncing up and down|falling|*rebounds"
    ),
    "place": "on a table|on the table|on a wooden table|on the floor|on a table top|on a ledge|on the ground|on a hard surface|*upon a counter",
    "sound": (
        "each bounce can be heard|a thud with every bounce|the sound of the ball hitting the table|thud, thud|hollow thuds|"
        "the knock of the ball|bouncing sounds|impact sounds|*one dull knock at a time"
    ),
}
"""A ball that bounces: how it is called, what it does, on what, and how it sounds."""
ENVIRONMENT: dict[str, str] = {
    "studio": (
        "in a studio|in a studio|at a news desk|in a TV studio|in a broadcast studio|in a newsroom|"
        "on a talk show set|in a podcast studio|in a recording studio|behind an anchor desk|"
        "at a studio desk|in a television studio|*on a soundstage"
    ),
    "cafe": (
        "in a cafe|in a cafe|in a café|in a coffee shop|in a cosy coffeehouse|at a coffee bar|"
        "in a bistro|at a cafe table|in a busy café|in a coffee house|*in a tearoom"
    ),
    "kitchen": (
        "in a kitchen|in a kitchen|in a modern kitchen|at the kitchen counter|at home in the kitchen|"
        "by the kitchen stove|next to the fridge|in a bright kitchen|at the kitchen table|"
        "beside the oven|*in a kitchenette"
    ),
    "office": (
        "in an office|in an office|at an office desk|in a corporate office|in a workspace|"
        "in a meeting room|in a conference room|in a coworking space|in a cubicle|in an office building|"
        "*in a boardroom"
    ),
    "street": (
        "on a street|on a street|on a city street|on a downtown sidewalk|on the pavement|in the city|"
        "in an urban street|on a busy road|in the street|on a main street|on a sidewalk|"
        "in the middle of downtown|*on a boulevard"
    ),
    "beach": (
        "at the beach|at the beach|on a beach|on a sandy shore|by the sea|at the seaside|by the ocean|"
        "on the coast|on the sand|on a tropical beach|by the seashore|*on a waterfront"
    ),
    "forest": (
        "in a forest|in a forest|in the woods|in a woodland|among the trees|among tall pines|"
        "in a wooded glade|on a forest trail|deep in the woods|in a pine forest|*in a grove"
    ),
    "plain": (
        "against a plain background|in front of a plain background|against a plain backdrop|"
        "against a solid backdrop|in front of a blank wall|against a seamless background|"
        "with a simple background|with an empty background|in front of a plain wall|"
        "against a solid-colour background|against a flat backdrop|against a {k} background|"
        "in front of a plain {k} wall|against a plain {k} backdrop|*against a clean cyclorama"
    ),
}  # fmt: skip
TIME: dict[str, str] = {
    "day": (
        "during the day|during the day|in daylight|in broad daylight|at noon|at midday|in the morning|"
        "in the afternoon|in the early morning|on a sunny day|in bright daylight|in the daytime|by day|in the midday sun|"
        "*in the forenoon"
    ),
    "golden hour": (
        "at golden hour|at golden hour|at sunset|at dusk|at dawn|at sunrise|in the evening sun|"
        "in the glow of dusk|as the sun sets|during golden hour|at twilight|in warm sunset light|"
        "in soft golden hour light|in the evening|at blue dusk|in the early evening|*at sundown"
    ),
    "night": (
        "at night|at night|after dark|at midnight|late at night|in the middle of the night|by moonlight|"
        "under the stars|on a starry night|at nighttime|late in the night|under the moon|*after nightfall"
    ),
}
TIME_NOUNS: dict[str, str] = {
    "day": (
        "day|daytime|daylight|midday|bright daylight|sunny|morning light|natural daylight|midday sun|"
        "morning|afternoon|noon|sunlit|day time|*high noon"
    ),
    "golden hour": (
        "golden hour|golden hour|sunset|dusk glow|sunrise|warm sunset light|golden hour light|"
        "evening sun|evening|dusk|dawn|twilight|sunset glow|golden-hour|*sundown"
    ),
    "night": (
        "night|night|night-time|nighttime|moonlight|midnight|night scene|night lights|late night|"
        "dark night|moonlit|starry night|*nocturnal"
    ),
}
WEATHER: dict[str, str] = {
    "clear": (
        "in clear weather|in dry weather|under a clear sky|under cloudless skies|with no rain|"
        "with clear skies|in good weather|*in settled weather"
    ),
    "rain": (
        "in the rain|in the rain|while it rains|in a downpour|as rain falls|in rainy weather|"
        "in a light drizzle|in wet weather|during a shower|in pouring rain|with rain on the window|as it is raining outside|with rain outside|"
        "*amid a deluge"
    ),
}
WEATHER_NOUNS: dict[str, str] = {
    "clear": (
        "clear weather|clear sky|dry weather|cloudless|no rain|clear skies|good weather|clear|"
        "*settled weather"
    ),
    "rain": (
        "rain|rain|rainy|drizzle|heavy rain|raining|rainfall|steady rain|wet weather|pouring rain|"
        "it is raining|raining outside|rain on the window|sound of rain|raindrops|rain ambience|*deluge"
    ),
}
SHOT: dict[str, str] = {
    "close-up": (
        "close-up|close-up|close up|closeup|tight shot|extreme close-up|tight close-up|headshot|"
        "the face fills the frame|tight framing on the face|close shot|CU|close-up shot|"
        "close-up of the face|*tight portrait"
    ),
    "medium shot": (
        "medium shot|medium shot|mid shot|medium close-up|waist-up|half-length shot|waist-up shot|"
        "mid-shot|chest-up framing|medium framing|half-body shot|medium view|*bust shot"
    ),
}
MOVE: dict[str, str] = {
    "locked": (
        "locked camera|locked-off camera|static shot|static camera|fixed camera|tripod shot|still camera|"
        "stationary camera|no camera movement|locked|locked-off|static|fixed shot|*immobile camera"
    ),
    "push-in": (
        "push-in|push in|slow push-in|dolly in|zoom in|slow zoom in|slow zoom towards the face|dolly-in|"
        "camera push-in|subtle push-in|slow push toward the face|camera zooming in|camera moving closer|"
        "push forward|*punch in"
    ),
    "pull-out": (
        "pull-out|pull out|slow pull-back|pull back|zoom out|dolly out|slow zoom out|dolly back|"
        "camera pull-out|slow pull-out|camera zooming out|camera moving away|pullback|*retreating camera"
    ),
    "pan left": (
        "pan left|pan left|left pan|slow pan left|pan to the left|leftward pan|pan from right to left|"
        "camera panning left|panning to the left|camera sweep to the left|*swivel left"
    ),
    "pan right": (
        "pan right|pan right|right pan|slow pan right|pan to the right|rightward pan|"
        "pan from left to right|camera panning right|panning to the right|camera sweep to the right|"
        "*swivel right"
    ),
    "handheld": (
        "handheld|handheld|hand-held camera|shaky handheld|shaky cam|handheld feel|handheld camera|"
        "iPhone-style handheld|camera shake|subtle handheld sway|slight handheld motion|hand-held|"
        "vlog-style handheld|*wobbly camera"
    ),
}
MOVE_CLAUSES: dict[str, str] = {
    "locked": (
        "the camera does not move|the camera stays still|the camera is fixed|filmed on a tripod|"
        "the camera holds still|the camera remains static|*nothing moves the camera"
    ),
    "push-in": (
        "the camera pushes in|the camera slowly pushes in|the camera slowly moves closer|"
        "the camera dollies in|the camera zooms in|the camera moves forward|"
        "the camera glides towards the face|the camera approaches|the camera slowly zooms in|"
        "*the camera creeps nearer"
    ),
    "pull-out": (
        "the camera pulls back|the camera slowly pulls back|the camera moves away|the camera zooms out|"
        "the camera dollies out|the camera retreats|the camera backs away|the camera slowly pulls out|"
        "the camera dollies back|*the camera withdraws"
    ),
    "pan left": (
        "the camera pans left|the camera slowly pans left|the camera pans to the left|"
        "the camera sweeps left|the camera turns to the left|the camera moves to the left|"
        "the camera slides left|*the camera swivels left"
    ),
    "pan right": (
        "the camera pans right|the camera slowly pans right|the camera pans to the right|"
        "the camera sweeps right|the camera turns to the right|the camera moves to the right|"
        "the camera slides right|*the camera swivels right"
    ),
    "handheld": (
        "filmed handheld|the camera shakes slightly|shot on a handheld phone|the handheld camera sways|"
        "the camera is handheld|held by hand, the camera wobbles|*the lens trembles in someone's grip"
    ),
}
SPEAKS: dict[str, str] = {
    "no": (
        "says nothing|stays silent|does not speak|is silent|says no word|listens quietly|"
        "looks at the camera in silence|looks at us without a word|smiles without saying anything|keeps quiet|remains silent|does not say anything|"
        "*holds back every word"
    ),
    "yes": (
        "speaks to camera|speaks to camera|talks to the camera|speaks directly to camera|talks|"
        "delivers a message|addresses the viewer|chats to the lens|explains something|"
        "gives a short speech|speaks|talks to the viewer|speaks with clear lip-sync|*recounts a story"
    ),
}
SPEAKING: dict[str, str] = {
    "no": (
        "saying nothing|staying silent|not speaking|silent|without a word|without saying a word|without saying anything|not saying a word|no dialogue|no speech|"
        "listening quietly|mouth closed|no voice|not talking|*holding back every word"
    ),
    "yes": (
        "speaking to camera|speaking to camera|talking to the camera|speaking directly to camera|talking|"
        "delivering a message|addressing the viewer|chatting to the lens|explaining something|"
        "giving a short speech|speaking|clear lip-sync|voiceover in English|talking head|"
        "speaks to camera|speaks directly to the camera with clear lip-sync|clear spoken delivery|"
        "*recounting a story"
    ),
}
ROLES = (
    "news anchor|barista|teacher|chef|scientist|doctor|nurse|musician|singer|athlete|student|engineer|"
    "artist|lawyer|journalist|pilot|farmer|baker|designer|dancer|detective|vlogger|reporter|shopkeeper|"
    "librarian|tourist|traveller|gardener|mechanic|florist|programmer|founder|spokesperson|teenager|"
    "customer|comedian|writer|photographer|coach|weather presenter|podcaster|influencer|guide|poet"
)
OTHER_GARMENTS = "dress|gown|uniform|vest|apron|kimono|robe|tunic|garment|costume|outfit|top"
TEXTURES = (
    "cotton|knitted|cosy|well-worn|oversized|tailored|ribbed|elegant|wrinkled|stylish|casual|soft|"
    "vintage|fitted|plain|heavy|thin"
)
ACTIONS = (
    "walking slowly|following the path|running a hand along the wall|turning around|opening a box|looking away|"
    "inspecting something|drinking|picking up an object|stretching|dancing|reading|pouring a drink|"
    "smiling warmly|nodding|natural blinks|slight head movement|blinking softly|tilting the head|"
    "raising an eyebrow|gesturing with both hands|standing still|sitting upright|leaning forward|"
    "subtle breathing|holding a cup|looking into the lens|calm hand gestures|laughing|waving|"
    "turning the head slowly"
)
DECOR = (
    "cinematic|4k|8k|professional|high quality|ultra-detailed|photorealistic|film grain|"
    "shallow depth of field|soft bokeh|anamorphic lens|award-winning|masterpiece|stunning|breathtaking|"
    "crisp details|vivid colours|moody atmosphere|35mm film|vertical 9:16|flat illustration|2D animation|"
    "pastel style|Pixar-style|documentary style|anime style|realistic|hyperrealistic|trending|"
    "clean composition|high contrast|natural skin texture|broadcast lighting|soft lighting|cool grade|"
    "dramatic lighting|editorial|lifelike|HDR|24fps|confident delivery|casual mood|epic|emotional|"
    "polished|minimal|eye level"
)
SOUNDS = (
    "soft room tone|quiet ambience|gentle piano music|lo-fi music|distant traffic|birdsong|"
    "murmur of a crowd|native audio|clinking cups|no music|strings play|light wind|waves crashing|"
    "keyboard clicks|orchestral score|natural sound|clean audio|footsteps"
)
HEARD = (
    "room tone|ambience|waves crashing|crashing waves|surf|sea|ocean waves|birdsong|birds chirping|distant traffic|city traffic|"
    "murmur of a crowd|chatter|clinking cups|rain|raindrops|hum"
)
"""What `sound.ambience` makes."""
OPENINGS = (
    "In a breathtaking cinematic scene,|A sweeping, emotional shot reveals|"
    "In this masterfully composed frame,|We open on|Imagine|An ultra-realistic film still come to life:|"
    "The scene opens on|Captured with exquisite care,|A quiet, intimate moment with|"
    "Generate a high-end commercial with|*Behold, in all splendour,|*Our story begins with"
)
AIR = (
    "dust drifts through the air|every detail rendered with care|time seems to slow|"
    "a hush settles over everything|steam rises gently upwards|light dances on every surface|"
    "the mood is tender and hopeful|the air feels thick with meaning|textures are rich and tactile|"
    "reflections shimmer softly|an unspoken story unfolds|particles float in slow motion|"
    "the composition is balanced and calm"
)
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
DEEDS = (
    "inspects|lifts|touches|walks past|carries|watches|opens|draws|follows|leans against|adjusts|moves towards|holds|"
    "pushes|reaches for|cleans|catches|throws|looks at|points at|puts down"
)
THINGS = (
    "dragon|car|mug|curtain|dog|cat|horse|castle|spaceship|bicycle|balloon|boat|robot|lamp|chair|plant|"
    "flower|bottle|bird|umbrella|piano|phone|truck|rocket|mountain|river|bridge|statue|lion|whale|candle|"
    "clock|book|guitar|train|tent|butterfly|fish|kite|vase|sofa|rug|cake|apple|cup|laptop|poster|"
    "sign|neon sign|wall|door|bus|tram|scooter|fountain|waterfall|planet|astronaut helmet|teapot|sword|"
    "crown|cactus|mirror|drone|violin|snowman|volcano|lighthouse|windmill|kangaroo|teddy bear|sneaker|"
    "perfume bottle|ballerina|crystal ball|ballroom|basketball|ring|sandcastle|soap bubble|water droplet|leaf|feather|paper plane"
)
DOINGS = (
    "rests quietly|moves slowly|spins around|glows softly|falls over|floats past|"
    "stands in the background|trembles|rolls by|waits|breaks apart|shines|drifts away|rises|appears|"
    "splashes|opens|comes to life|flickers|sits on the table|hangs on the wall|"
    "dissolves into particles|races past|can be seen behind"
)
MOODS = (
    "small|huge|ancient|shiny|wooden|broken|delicate|mysterious|giant|tiny|elegant|noisy|gentle|furious|"
    "lonely|playful|glass|metal|futuristic|rusty|majestic|floating"
)
SCENERY = (
    "a {c} {n} {v}|a {a} {n} {v}|the {n} {v} while a {c} {m} {v}|a {a} {c} {n} {v} near a {m}|"
    "{n} and {m}, slow motion|two {c} {n}s|the {n} turns into a {m}|nearby, a {c} {n} {v}|"
    "behind, a {c} {n} and a {a} {m}|a {n} made of {a} pieces|{c} light|bathed in {c} light|a {c} haze|a few {c} {n}s and a {c} {m}|"
    "the {c} {n} {v} beside the {m}|"
    "*a {c} {n} next to some {a} {m}|*beyond it all a {a} {n} {v}"
)
OTHER_MOVES = (
    "tracking shot|slow tracking shot|orbit shot|crane up|tilt up|tilt down|drone shot|steadicam glide|whip transition|"
    "the camera follows|the camera circles around|the camera tilts up|aerial view|low angle|subtle camera drift"
)
"""Camera work that the world does not have."""
ANY_COLOUR = (
    "red|orange|yellow|green|blue|purple|pink|white|grey|black|brown|golden|silver|turquoise|beige|"
    "copper|violet|crimson"
)

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


def _tables() -> dict[str, tuple[dict[str, str], ...]]:
    return {
        "gender": (GENDER,), "skin": (SKIN, DEMONYMS), "hair_style": (HAIR_STYLE,), "hair_colour": (HAIR_COLOUR,),
        "garment": (GARMENT,), "top_colour": (TOP_COLOUR,), "glasses": (GLASSES, GLASSES_BEFORE), "beard": (BEARD, BEARD_BEFORE),
        "environment": (ENVIRONMENT,), "time": (TIME, TIME_NOUNS), "weather": (WEATHER, WEATHER_NOUNS), "shot": (SHOT,),
        "move": (MOVE, MOVE_CLAUSES), "speaks": (SPEAKS, SPEAKING), "hat": (HAT,), "subject": (BALL,),
    }  # fmt: skip


LEXICON = _tables()
"""Every table of an attribute's words."""
