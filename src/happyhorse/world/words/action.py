"""Words for what happens: someone speaks or is silent, a ball bounces; lists as in `look`."""

from __future__ import annotations

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
