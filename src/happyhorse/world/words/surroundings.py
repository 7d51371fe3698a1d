"""Words for where a scene is, at what time and in what weather, as adverbials and as bare nouns; lists as in `look`.

`{k}` marks where any colour may go.
"""

from __future__ import annotations

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
}
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
