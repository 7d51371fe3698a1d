import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest

from happyhorse.engines.catalog import NANO, TESTCARD
from happyhorse.engines.catalog_magihuman import MAGIHUMAN
from happyhorse.engines.plan import plan
from happyhorse.errors import InvalidRequest, MediaError, Unsupported
from happyhorse.request import MAX_SEED, parse_request
from happyhorse.shapes import RATIOS, RESOLUTIONS, MediaInfo, output_size

PROMPT = "A potter turns a bowl in a bright workshop, slow push-in, soft wheel hum."
# What nano will be: every mode, with latents. Lets the planner's arithmetic be tested for all of them.
FULL = replace(NANO, modes=TESTCARD.modes, languages=TESTCARD.languages, voice_track=True)


def image(width=1200, height=900, **facts):
    given = {"format": "png", "codec": "png", "size_bytes": 1000, "sha256": "a" * 64, **facts}
    return MediaInfo("image", "in.png", width=width, height=height, **given)


def video(duration_s=6.0, width=1280, height=720, **facts):
    given = {"format": "mov,mp4,m4a,3gp,3g2,mj2", "codec": "h264", "size_bytes": 1000, "sha256": "b" * 64}
    given |= {"fps": 30.0, "num_frames": round(duration_s * 30), "has_audio": True, **facts}
    return MediaInfo("video", "in.mp4", width=width, height=height, duration_s=duration_s, **given)


def voice(duration_s=4.0, **facts):
    given = {
        "format": "wav",
        "codec": "pcm_s16le",
        "size_bytes": 1000,
        "sha256": "c" * 64,
        "has_audio": True,
        **facts,
    }
    return MediaInfo("audio", "in.wav", duration_s=duration_s, **given)


def planned(capabilities=FULL, media=None, **fields):
    return plan(parse_request({"prompt": PROMPT, **fields}), capabilities, media=media)


def test_defaults_are_five_seconds_of_720_lines():
    decided = planned(NANO)
    assert (decided.mode, decided.resolution, decided.ratio) == ("t2v", "720P", "16:9")
    assert (decided.width, decided.height, decided.num_frames, decided.duration_s) == (1280, 720, 125, 5)
    assert (decided.base_width, decided.base_height) == (224, 128)
    assert (decided.tokens.video, decided.tokens.audio) == (896, 125)
    assert decided.num_steps == 8
    assert decided.price_usd == pytest.approx(0.91)
    assert decided.sound == "make"


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_every_ratio_and_tier_has_its_size(ratio, resolution):
    decided = planned(ratio=ratio, resolution=resolution, duration=3)
    assert (decided.width, decided.height) == output_size(resolution, ratio)
    assert decided.num_frames == 75
    assert decided.latent is not None
    assert decided.latent.width * 16 == decided.base_width


def test_the_same_request_and_seed_give_the_same_plan():
    assert planned(seed=7) == planned(seed=7)
    assert planned(seed=7).digest() == planned(seed=7).digest()
    assert planned(seed=7).digest() != planned(seed=8).digest()


def test_a_seed_is_drawn_when_absent_and_reported():
    seeds = {planned().seed for _ in range(4)}
    assert len(seeds) > 1
    assert all(0 <= seed <= MAX_SEED for seed in seeds)
    assert planned().seed_was_drawn
    assert not planned(seed=0).seed_was_drawn


def test_the_digest_follows_the_content_of_inputs_not_their_place():
    def digest(info):
        return planned(image="x", media={"x": info}, seed=1).digest()

    assert digest(image()) == digest(replace(image(), path="elsewhere.png"))
    assert digest(image()) != digest(image(sha256="d" * 64))


def test_a_plan_is_frozen_and_becomes_json():
    decided = planned(references=["a"], media={"a": image()}, seed=3)
    with pytest.raises(FrozenInstanceError):
        decided.seed = 4
    fields = json.loads(json.dumps(decided.to_dict()))
    assert fields["duration_s"] == 5
    assert fields["tokens"]["total"] == decided.tokens.total


def test_longer_and_larger_clips_cost_more_of_everything():
    small, large = planned(duration=3, resolution="480P"), planned(duration=15, resolution="1080P")
    assert small.estimated_seconds < large.estimated_seconds
    assert small.peak_memory_bytes < large.peak_memory_bytes
    assert small.price_usd < large.price_usd == pytest.approx(15 * 0.312)


def test_a_draft_keeps_the_base_size():
    decided = planned(draft=True)
    assert (decided.width, decided.height) == (224, 128)


# --- first frame ---


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1920, 1080, "16:9"),
        (1080, 1920, "9:16"),
        (1000, 1000, "1:1"),
        (1200, 900, "4:3"),
        (800, 1000, "4:5"),
        (2100, 900, "21:9"),
    ],
)
def test_the_first_frame_decides_the_ratio(width, height, ratio):
    decided = planned(image="x", media={"x": image(width, height)})
    assert decided.mode == "i2v"
    assert decided.ratio == ratio
    assert decided.crop == (0, 0, width, height)


def test_what_looks_wrong_with_the_first_frame_is_said():
    notes = planned(image="x", media={"x": image(remarks="dark, blurred")}).notes
    assert "the image looks dark, blurred; the clip keeps what its first frame has" in notes
    assert NANO.first_frame_note in notes
    assert NANO.first_frame_note not in planned().notes
    assert not any("looks" in note for note in planned(image="x", media={"x": image()}).notes)


@pytest.mark.parametrize("capabilities", [NANO, MAGIHUMAN, TESTCARD])
def test_several_faces_in_the_first_frame_are_said(capabilities):
    notes = planned(capabilities, image="x", media={"x": image(faces=3)}).notes
    assert f"the image shows 3 faces; {capabilities.several_faces_note}" in notes
    for faces in (None, 0, 1):
        notes = planned(capabilities, image="x", media={"x": image(faces=faces)}).notes
        assert not any("face" in note for note in notes if note != capabilities.first_frame_note)


@pytest.mark.parametrize(
    ("capabilities", "faces", "fields", "said"),
    [
        (NANO, 0, {}, True),
        (NANO, 1, {}, False),
        (NANO, None, {}, False),
        (NANO, 0, {"prompt": PROMPT}, False),
        (NANO, 0, {"no_audio": True}, False),
        (TESTCARD, 0, {}, False),
    ],
)
def test_a_line_for_a_picture_without_a_face_is_said(capabilities, faces, fields, said):
    fields = {"prompt": 'She says to the camera: "Good morning."', **fields}
    notes = planned(capabilities, image="x", media={"x": image(faces=faces)}, **fields).notes
    assert any(note.startswith("no face was found in the image") for note in notes) == said


def test_an_explicit_ratio_beside_an_image_is_ignored_and_said():
    decided = planned(image="x", ratio="9:16", media={"x": image()})
    assert decided.ratio == "4:3"
    assert any("ratio 9:16 is ignored" in note for note in decided.notes)


def test_reframe_crops_the_middle_first():
    decided = planned(image="x", reframe="9:16", media={"x": image(1600, 900)})
    assert decided.ratio == "9:16"
    left, top, width, height = decided.crop
    assert (top, height) == (0, 900)
    assert width == 506
    assert left == (1600 - 506) // 2
    assert any("cropped to 9:16" in note for note in decided.notes)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (image(10, 10), "is 10x10 pixels; both sides must be at least 300"),
        (image(2000, 700), "is 2000x700 pixels; one side may be at most 2.5 times the other"),
        (image(num_frames=12), "is animated (12 pictures)"),
        (image(format="gif"), "is a gif file"),
        (image(size_bytes=20_000_001), "at most 20 MB"),
        (video(), "is a video"),
        (voice(), "is a sound file (wav); it must be an image"),
    ],
)
def test_an_image_beyond_the_limits_is_refused(info, said):
    with pytest.raises(MediaError) as caught:
        planned(image="x", media={"x": info})
    assert said in caught.value.message
    assert caught.value.field == "image"


def test_a_reference_needs_400_pixels_and_one_of_an_edit_300():
    with pytest.raises(MediaError, match="reference 2 is 350x900 pixels; both sides must be at least 400"):
        planned(references=["a", "b"], media={"a": image(), "b": image(350, 900)})
    planned(video="v", references=["b"], media={"v": video(), "b": image(350, 800)})


# --- video ---


def test_an_edit_keeps_the_length_and_ratio_of_its_video():
    decided = planned(video="v", duration=5, ratio="1:1", media={"v": video(7.4, 720, 1280)})
    assert (decided.mode, decided.ratio, decided.num_frames) == ("edit", "9:16", 185)
    assert decided.price_usd == pytest.approx(0.182 * 14.8)
    assert any("duration 5 is ignored" in note for note in decided.notes)
    assert any("ratio 1:1 is ignored" in note for note in decided.notes)


def test_a_long_video_is_cut_at_15_seconds():
    decided = planned(video="v", media={"v": video(40.0)})
    assert decided.duration_s == 15
    assert decided.billed_seconds == 30
    assert any("cut at 15 s" in note for note in decided.notes)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (video(2.0), "lasts 2.00 s"),
        (video(61.0), "3 to 60 s"),
        (video(fps=8.0), "8 pictures a second"),
        (video(width=640, height=240), "sides must be 320 to 4096"),
        (video(width=5000, height=2000), "sides must be 320 to 4096"),
        (video(width=4000, height=400), "at most 8 times the other"),
        (video(size_bytes=100_000_001), "at most 100 MB"),
        (video(format="avi"), "is an avi file"),
        (image(), "is an image"),
    ],
)
def test_a_video_beyond_the_limits_is_refused(info, said):
    with pytest.raises(MediaError) as caught:
        planned(video="v", media={"v": info})
    assert said in caught.value.message
    assert caught.value.field == "video"


def test_480_lines_are_refused_for_an_edit():
    with pytest.raises(InvalidRequest, match="720P or 1080P for an edit; got 480P"):
        planned(video="v", resolution="480P", media={"v": video()})


@pytest.mark.parametrize(
    ("prompt", "setting", "has_audio", "sound"),
    [
        ("Make the car red.", None, True, "retain"),
        ("Make the car red.", "auto", False, "make"),
        ('Audio: he says "Turn left here."', None, True, "make"),
        ("Make the car red.", "origin", True, "retain"),
        ("Make the car red.", "retain", False, "remove"),
        ('Audio: he says "Turn left here."', "remove", True, "remove"),
    ],
)
def test_the_sound_of_an_edit_is_decided_and_said(prompt, setting, has_audio, sound):
    decided = planned(prompt=prompt, video="v", audio=setting, media={"v": video(has_audio=has_audio)})
    assert decided.sound == sound


# --- references ---


def bound(prompt, count, **fields):
    names = [f"r{number}" for number in range(count)]
    decided = planned(prompt=prompt, references=names, media=dict.fromkeys(names, image()), **fields)
    return {binding.name: (binding.role, binding.images) for binding in decided.bindings}, decided.notes


def test_names_bind_to_images_by_their_order():
    bindings, notes = bound("character1 waves at [Image 2] and 「image 3」 near @image4", 4)
    assert bindings == {
        "character1": ("character", (1,)),
        "image 2": ("image", (2,)),
        "image 3": ("image", (3,)),
        "image 4": ("image", (4,)),
    }
    assert not any("style" in note for note in notes)


def test_images_that_nobody_names_are_style_references():
    bindings, notes = bound("character2 waves", 3)
    assert bindings == {
        "character2": ("character", (2,)),
        "image 1": ("style", (1,)),
        "image 3": ("style", (3,)),
    }
    assert any("style references: image 1, 3" in note for note in notes)


@pytest.mark.parametrize("grouped", [True, False])
def test_several_images_may_be_one_character_and_the_next_takes_what_is_left(grouped):
    fields = {"characters": {"character1": [1, 2, 3]}} if grouped else {}
    prompt = "character1 bows to character2" if grouped else "character1=1,2,3 bows to character2"
    bindings, _ = bound(prompt, 4, **fields)
    assert bindings == {"character1": ("character", (1, 2, 3)), "character2": ("character", (4,))}


def test_a_name_without_a_file_is_said():
    bindings, notes = bound("character5 waves at @video1", 1)
    assert bindings["character5"] == ("unbound", ())
    assert bindings["video 1"] == ("unbound", ())
    assert any("not bound to any file, read as plain words: character5, video 1" in note for note in notes)


def test_references_cost_tokens():
    without, with_two = planned(), planned(references=["a", "b"], media={"a": image(), "b": image()})
    assert with_two.tokens.conditions - without.tokens.conditions == 2 * 28
    assert planned(video="v", media={"v": video()}).tokens.conditions == planned(duration=6).tokens.video


# --- speech ---


def test_a_line_longer_than_the_clip_is_refused_with_the_seconds_it_needs():
    line = "Our little bakery has been in this street for more than ninety years, and the oven has never once gone cold."
    with pytest.raises(InvalidRequest) as caught:
        planned(prompt=f'A baker says "{line}"', duration=3)
    needed = float(caught.value.message.split("need ")[1].split(" s")[0])
    assert f"set duration to {math.ceil(needed)}" in caught.value.message
    decided = planned(prompt=f'A baker says "{line}"', duration=math.ceil(needed))
    assert decided.lines[0].text == line
    assert planned(prompt=f'A baker says "{line}"', duration=3, no_audio=True).sound == "remove"
    assert planned(TESTCARD, prompt=f'A baker says "{line}"', duration=3).engine == "testcard"


def test_fit_makes_the_clip_as_long_as_its_lines_and_no_longer():
    line = "Our little bakery has been in this street for more than ninety years, and the oven has never once gone cold."
    asked = {"prompt": f'A baker says "{line}"', "duration": 3, "fit": True}
    decided = planned(**asked)
    needed = math.ceil(sum(spoken.seconds for spoken in decided.lines))
    assert decided.num_frames == 25 * needed > 75
    assert decided.price_usd == planned(**{**asked, "duration": needed}).price_usd
    assert any(f"the clip lasts {needed} s" in note for note in decided.notes)
    assert planned(**{**asked, "duration": needed + 2}).num_frames == 25 * (needed + 2)
    assert planned(**{**asked, "no_audio": True}).num_frames == 75
    with pytest.raises(InvalidRequest, match="shorten them or split the clip"):
        planned(**{**asked, "prompt": f'A baker says "{line} {line} {line}"'})


def test_a_language_the_engine_does_not_speak_is_refused_and_others_are_named():
    bilingual = replace(NANO, languages=frozenset({"en", "de"}))
    with pytest.raises(
        Unsupported,
        match=r"nano does not speak Mandarin; it does German, English; engines that can: nano, magihuman, magihuman-base, hosted, testcard",
    ):
        planned(bilingual, prompt="她说\uff1a“今天天气很冷。”")
    with pytest.raises(Unsupported, match="Cantonese"):
        planned(bilingual, language="yue")
    assert planned(NANO, prompt="她说\uff1a“今天天气很冷。”").lines[0].language == "zh"
    assert planned(NANO, language="yue").language == "yue"
    assert planned(bilingual, prompt='Ein Mann sagt: "Heute ist es kalt."').lines[0].language == "de"


def test_the_language_of_the_request_overrules_the_look_of_the_line():
    decided = planned(prompt='A man says "Hotel Berlin."', language="de")
    assert decided.language == "de"
    assert decided.lines[0].language == "de"


def test_a_voice_track_sets_the_length_and_replaces_the_lines():
    decided = planned(prompt='She says "Hello there."', voice="s", media={"s": voice(7.2)})
    assert decided.num_frames == 200
    assert decided.lines == ()
    assert any("the voice track is" in note for note in decided.notes)
    cut = planned(voice="s", duration=4, media={"s": voice(7.2)})
    assert any("cut at 4 s" in note for note in cut.notes)


def test_a_voice_track_must_be_heard_in_the_clip():
    with pytest.raises(
        MediaError,
        match=r"^voice is silent in its first 5\.00 s, all that is played; it must hold the speech that the mouth is to follow$",
    ) as caught:
        planned(voice="s", duration=5, media={"s": voice(7.2, silent_s=5.0)})
    assert caught.value.field == "voice"
    assert planned(voice="s", media={"s": voice(7.2, silent_s=5.0)}).num_frames == 200
    with pytest.raises(MediaError, match=r"^voice is silent in its first 2\.00 s"):
        planned(voice="s", media={"s": voice(2.0, silent_s=2.0)})


# --- what an engine cannot do, and what is said ---


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"image": "x"},
            "nano has no weights for i2v (an image as first frame); it does t2v (a prompt alone); engines that can: nano, magihuman, magihuman-base, hosted, testcard",
        ),
        ({"references": ["x"]}, "nano has no weights for r2v"),
        ({"video": "x"}, "nano has no weights for edit"),
        (
            {"voice": "x"},
            "nano cannot follow a voice track; engines that can: magihuman, magihuman-base, testcard",
        ),
    ],
)
def test_what_an_engine_cannot_do_is_refused_and_engines_that_can_are_named(fields, said):
    capabilities = replace(NANO, modes=frozenset({"t2v"}), voice_track=False)
    with pytest.raises(Unsupported) as caught:
        planned(capabilities, media={"x": image()}, **fields)
    assert said in caught.value.message


def test_a_prompt_over_5000_is_cut_and_said():
    decided = planned(prompt="a" * 6000)
    assert len(decided.prompt) == 5000
    assert any("cut at character 5000 of 6000" in note for note in decided.notes)
    assert len(planned(prompt="山" * 3000).prompt) == 2500


def test_control_characters_never_reach_the_engine():
    assert planned(prompt="A cat\0 sits\x1b[31m.").prompt == "A cat sits[31m."


def test_a_negative_prompt_and_unknown_words_are_said():
    decided = planned(
        replace(FULL, vocabulary=frozenset({"cat"})), prompt="A cat and a dragon", negative_prompt="rain"
    )
    assert any("negative_prompt is not used" in note for note in decided.notes)
    assert "not in nano's world: dragon" in decided.notes


def test_the_base_size_is_said():
    assert "made at 224x128 and enlarged to 1920x1080" in planned(resolution="1080P").notes
    assert "made at 128x224 and enlarged to 720x1280" in planned(resolution="720P", ratio="9:16").notes
    square = planned(resolution="720P", ratio="1:1").notes
    assert "made at 224x128, cut from the middle and enlarged to 960x960" in square
    portrait = planned(resolution="720P", ratio="3:4").notes
    assert "made at 128x224, cut from the middle and enlarged to 832x1104" in portrait
