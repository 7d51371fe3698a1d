"""Words for how a scene is filmed: framing and the camera's moves; lists as in `look`."""

from __future__ import annotations

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
