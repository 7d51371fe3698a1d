import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.errors import InvalidRequest
from happyhorse.request import LANGUAGES, MAX_SEED, GenerationRequest, MediaRef, parse_request
from happyhorse.shapes import RATIOS, RESOLUTIONS

PROMPT = "A baker opens the oven at dawn."


def refusal(**fields):
    with pytest.raises(InvalidRequest) as caught:
        parse_request({"prompt": PROMPT, **fields})
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({}, "t2v"),
        ({"image": "a.png"}, "i2v"),
        ({"references": ["a.png"]}, "r2v"),
        ({"video": "a.mp4"}, "edit"),
        ({"video": "a.mp4", "references": ["a.png"]}, "edit"),
        ({"voice": "a.wav"}, "t2v"),
        ({"image": "a.png", "voice": "a.wav", "no_audio": True}, "i2v"),
    ],
)
def test_mode_follows_from_the_inputs(fields, mode):
    assert parse_request({"prompt": PROMPT, **fields}).mode == mode


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"image": "a.png", "video": "b.mp4"}, "image", "own first frame"),
        ({"image": "a.png", "references": ["b.png"]}, "image", "send the image in references"),
        ({"image": "a.png", "references": ["b.png"], "video": "c.mp4"}, "image", "cannot be combined"),
        ({"video": "a.mp4", "voice": "b.wav"}, "voice", "cannot be combined"),
        ({"audio": "retain"}, "audio", "editing a video"),
        ({"video": "a.mp4", "audio": "origin", "no_audio": True}, "no_audio", "contradict"),
        ({"reframe": "9:16"}, "reframe", "no image"),
        ({"characters": {"character1": [1]}}, "characters", "add references"),
        ({"references": ["a.png"], "characters": {"character1": [2]}}, "characters", "reference 2"),
        ({"references": ["x.png"] * 10}, "references", "at most 9 images; got 10"),
        ({"references": ["x.png"] * 6, "video": "a.mp4"}, "references", "at most 5 images with a video"),
    ],
)
def test_a_mixture_that_contradicts_itself_is_refused_with_its_reason(fields, field, said):
    err = refusal(**fields)
    assert err.field == field
    assert said in err.message


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("duration", 2, "3 to 15"),
        ("duration", 16, "3 to 15"),
        ("duration", 5.5, "3 to 15"),
        ("duration", "5.5", "3 to 15"),
        ("duration", True, "3 to 15"),
        ("duration", float("nan"), "3 to 15"),
        ("duration", "9" * 400, "3 to 15"),
        ("resolution", "4K", "480P, 720P, 1080P"),
        ("ratio", "2:1", "16:9, 9:16"),
        ("seed", -1, "0 to 2147483647"),
        ("seed", MAX_SEED + 1, "0 to 2147483647"),
        ("seed", "abc", "0 to 2147483647"),
        ("watermark", 1, "true or false"),
        ("no_audio", "yes", "true or false"),
        ("language", "it", "en, zh, yue"),
        ("prompt", 7, "text"),
        ("prompt", "half \ud800", "text"),
        ("image", " ", "one image file"),
        ("image", "a\0b", "one image file"),
        ("image", {"path": "a", "url": "b"}, "one image file"),
        ("references", "a.png", "list"),
        ("references", ["a.png", 3], "one image file"),
        ("characters", "character1", "character1=1,2,3"),
        ("characters", ["character1=1", "character2=1"], "each used once"),
        ("metadata", {"a": 1}, "pairs of text"),
        ("metadata", {"a": "x" * 501}, "500"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field, value, allowed):
    err = refusal(**{field: value})
    assert err.field == field
    assert err.message.startswith(field)
    assert allowed in err.message
    assert "got " in err.message
    assert len(err.message) < 260


def test_an_unknown_field_is_refused_with_the_nearest_name():
    err = refusal(durtion=5)
    assert err.message == "'durtion' is not a field of a request; did you mean duration?"


@pytest.mark.parametrize("prompt", ["", "   \n", "🐎🔥", "?!…"])
def test_a_prompt_without_words_is_refused_unless_an_image_is_there(prompt):
    assert refusal(prompt=prompt).field == "prompt"
    assert parse_request({"prompt": prompt, "image": "a.png"}).mode == "i2v"


@pytest.mark.parametrize("value", [5, 5.0, "5", "5.0", " 5 "])
def test_whole_numbers_are_read_in_every_spelling(value):
    assert parse_request({"prompt": PROMPT, "duration": value, "seed": value}).duration == 5


def test_names_are_read_in_any_letter_case():
    request = parse_request({"prompt": PROMPT, "resolution": "1080p", "language": "ZH-hk", "ratio": " 9:16"})
    assert (request.resolution, request.language, request.ratio) == ("1080P", "yue", "9:16")
    assert parse_request({"prompt": PROMPT, "video": "a.mp4", "audio": "ORIGIN"}).audio == "retain"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a b.png", "path"),
        ("https://x.test/a.png", "url"),
        ("data:image/png;base64,AA", "url"),
        ("file-9aZ", "file_id"),
    ],
)
def test_a_file_is_given_by_path_url_or_id(text, field):
    reference = MediaRef.model_validate(text)
    assert getattr(reference, field) == text
    assert reference.key == text


def test_characters_are_read_in_three_spellings():
    for spelling in ({"character1": [1, 2]}, {"1": "1,2"}, ["Character1=1,2"]):
        request = parse_request({"prompt": PROMPT, "references": ["a", "b"], "characters": spelling})
        assert request.characters == {"character1": (1, 2)}


words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40).map(lambda text: text + "a")
files = st.one_of(
    words.filter(lambda text: "\0" not in text).map(lambda text: {"path": text}),
    st.just({"url": "https://x.test/a"}),
    st.just({"file_id": "file-1"}),
)


@st.composite
def requests(draw):
    inputs = draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries(
                {"image": files}, optional={"reframe": st.sampled_from(RATIOS), "voice": files}
            ),
            st.fixed_dictionaries({"references": st.lists(files, min_size=1, max_size=9)}),
            st.fixed_dictionaries(
                {"video": files}, optional={"audio": st.sampled_from(["auto", "origin", "remove"])}
            ),
        )
    )
    rest = st.fixed_dictionaries(
        {"prompt": words},
        optional={
            "duration": st.integers(3, 15),
            "resolution": st.sampled_from(RESOLUTIONS),
            "ratio": st.sampled_from(RATIOS),
            "seed": st.integers(0, MAX_SEED),
            "language": st.sampled_from(LANGUAGES),
            "watermark": st.booleans(),
            "draft": st.booleans(),
            "fit": st.booleans(),
            "negative_prompt": words,
            "metadata": st.dictionaries(words, words, max_size=3),
            "parent": words,
        },
    )
    return {**inputs, **draw(rest)}


@settings(max_examples=60, deadline=None)
@given(requests())
def test_a_request_survives_json(fields):
    request = parse_request(fields)
    assert GenerationRequest.model_validate_json(request.model_dump_json()) == request
    assert parse_request(request.model_dump(mode="json", exclude_none=True)) == request


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"prompt": "x", "references": ["a", ""]},
            "references must be one image file each; got '' as number 2",
        ),
        (
            {"prompt": "x", "references": ["a"], "characters": ["character1=2"]},
            "characters binds character1 to reference 2, but there is 1",
        ),
        ({"prompt": "x", "references": ["a"], "characters": ("foo", "bar")}, "got 'foo', 'bar'"),
        ({"prompt": "x", "audio": "retain"}, "audio=retain is for editing a video and there is none"),
        ({"prompt": "x", "audio": "remove"}, "use no_audio for a silent clip"),
        ({"prompt": "x \ud800"}, "prompt must be text in UTF-8"),
        ({"prompt": "x", "ratio": "\x1b[31m2:1\x07"}, "got '[31m2:1'"),
    ],
)
def test_a_refusal_says_what_was_seen_as_it_was_given(fields, said):
    with pytest.raises(InvalidRequest) as caught:
        parse_request(fields)
    assert said in caught.value.message


anything = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text(), max_size=2)
)


def outcome(fields):
    try:
        return parse_request(fields).mode
    except InvalidRequest as err:
        return err.message


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from([*GenerationRequest.model_fields, "x"]), anything))
def test_any_fields_give_a_request_or_one_sentence(fields):
    assert len(outcome(fields).splitlines()) == 1
