"""What prompts say and the world does not draw: roles, deeds, things, moods, praise; lists as in `look`.

A caption puts some of it around what is true, so that the encoder learns to leave it alone.
"""

from __future__ import annotations

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
