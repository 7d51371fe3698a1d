# ruff: noqa: RUF001  the quotes and punctuation of seven languages are meant
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse import language
from happyhorse.language import count_words, language_of, seconds_to_say
from happyhorse.prompt import clauses, findings, grammar, grammar_cjk, lines, parts, sentences, tokens
from happyhorse.prompt.known import judge
from happyhorse.prompt.read import read_prompt

sre_parser = re._parser

LABELLED = (
    "Subject: a tall postman with a grey moustache. Action: speaks to camera and waves. Environment: a garden gate at dawn. "
    'Style: warm ink drawing. Camera: slow push-in. Audio: he says "Two letters for you today." Birds sing.'
)


def codes(text, **facts):
    return {finding.code for finding in read_prompt(text, **facts).findings}


@pytest.mark.parametrize(
    "text",
    [
        LABELLED,
        LABELLED.replace(". ", ".\n"),
        LABELLED.upper().replace('"TWO LETTERS FOR YOU TODAY."', '"Two letters for you today."'),
        LABELLED.replace("Subject:", "[Subject]")
        .replace("Camera:", "[CAMERA]:")
        .replace("Audio:", "【Audio】"),
        LABELLED.replace("Style:", "**Style:**").replace("Action:", "\n- **Action**:"),
    ],
)
def test_labelled_blocks_are_read_in_every_dress(text):
    parts = {name: value.lower() for name, value in read_prompt(text).parts.items()}
    assert list(parts) == ["subject", "action", "environment", "style", "camera", "audio"]
    assert parts["subject"] == "a tall postman with a grey moustache"
    assert parts["style"] == "warm ink drawing"
    assert parts["camera"] == "slow push-in"
    assert "two letters" in parts["audio"]


def test_labels_of_other_languages_are_known():
    parts = read_prompt("【主体】一位厨师。【动作】切菜。【场景】厨房。【镜头】特写。【音频】刀声。").parts
    assert parts["subject"] == "一位厨师"
    assert parts["camera"] == "特写"
    assert read_prompt("Kamera: Nahaufnahme. Ton: leiser Regen.").parts["audio"] == "leiser Regen"
    assert read_prompt("카메라: 클로즈업\n오디오: 빗소리").parts == {"camera": "클로즈업", "audio": "빗소리"}


@pytest.mark.parametrize(
    ("text", "part", "value"),
    [
        ("主体：猫\n动作：跳\n环境：屋顶\n风格：水彩\n镜头：推近\n音频：雨声", "camera", "推近"),
        ("主體：貓。鏡頭：近鏡。音頻：雨聲。", "audio", "雨聲"),
        ("被写体：猫。カメラワーク：ズーム。", "subject", "猫"),
        ("인물: 고양이\n촬영: 클로즈업", "camera", "클로즈업"),
        ("Motiv: eine Katze. Umgebung: ein Dach.", "environment", "ein Dach"),
        ("Sujet : un chat. Éclairage : lumière douce.", "style", "lumière douce"),
        ("SUBJECT - none\n[Camera Movement]: pan left", "camera", "pan left"),
        ("## Audio\nrain on tin", "audio", "rain on tin"),
        ("1. **Style**: flat colours", "style", "flat colours"),
        ("Style & Mood: flat colours", "style", "flat colours"),
    ],
)
def test_labels_are_read_in_seven_languages_and_every_notation(text, part, value):
    assert read_prompt(text).parts[part] == value


def test_spans_say_where_the_parts_stand():
    read = read_prompt(LABELLED)
    assert [LABELLED[span.start : span.end] for span in read.spans] == list(read.parts.values())


def test_prose_is_cut_into_parts():
    parts = read_prompt(
        "A girl in a red coat walks along a quiet canal, watercolor style, slow pan, soft rain sounds."
    ).parts
    assert parts["subject"] == "A girl in a red coat"
    assert parts["action"] == "walks"
    assert parts["environment"] == "along a quiet canal"
    assert parts["camera"] == "slow pan"
    assert parts["audio"] == "soft rain sounds"


@pytest.mark.parametrize(
    ("text", "said", "language"),
    [
        ('She says "The kettle is on."', "The kettle is on.", "en"),
        ("She says “The kettle is on.”", "The kettle is on.", "en"),
        ("She says, 'I don't think it's ready.'", "I don't think it's ready.", "en"),
        ("She says ‘I don’t think it’s ready.’ and nods", "I don’t think it’s ready.", "en"),
        ("Er ruft: „Komm bitte nach Hause!“", "Komm bitte nach Hause!", "de"),
        ("Er ruft: »Komm bitte nach Hause!«", "Komm bitte nach Hause!", "de"),
        ("Elle dit « Le pain est prêt. »", "Le pain est prêt.", "fr"),
        ("Elle dit ‹ Le pain est prêt. ›", "Le pain est prêt.", "fr"),
        ("彼女が言う「今日は寒いですね」", "今日は寒いですね", "ja"),
        ("彼女が言う『今日は寒いですね』", "今日は寒いですね", "ja"),
        ("她说：「水开了。」", "水开了。", "zh"),
        ('她说："水开了。"', "水开了。", "zh"),
        ("她说：水开了。", "水开了。", "zh"),
        ('佢話:"我哋而家去食嘢。"', "我哋而家去食嘢。", "yue"),
        ('그녀가 말한다 "문을 열어 주세요."', "문을 열어 주세요.", "ko"),
        ("A clerk smiles, saying the shop is closed now, wide shot", "the shop is closed now", "en"),
    ],
)
def test_a_line_is_found_in_every_quote_style(text, said, language):
    (line,) = read_prompt(text).lines
    assert (line.text, line.language) == (said, language)
    assert said in text[line.start : line.end]


@pytest.mark.parametrize(
    "text",
    [
        "the dogs' bowls beside the cats' beds",
        "a '90s kitchen, rock 'n' roll on the radio",
        'a 12" record turns on a 7" stand',
        'a shop with a sign that reads "Fresh Bread"',
        'a van with a "Swift" logo drives by',
        "「image 1」 walks toward 「image 2」",
        "a jar with a label 'Plum jam.'",
    ],
)
def test_apostrophes_inches_signs_and_references_are_not_speech(text):
    assert read_prompt(text).lines == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("character1 hands Character 2 a cup", [("character", 1), ("character", 2)]),
        ("[Image 1] and [Image2] beside [image 3]", [("image", 1), ("image", 2), ("image", 3)]),
        ("@image4, @Image5, Image 6", [("image", 4), ("image", 5), ("image", 6)]),
        ("参考「图片7」与[图 8]和@图9", [("image", 7), ("image", 8), ("image", 9)]),
        ("outfits from images 2-4", [("image", 2), ("image", 3), ("image", 4)]),
        ("the moves of @video1 with @音频1", [("video", 1), ("audio", 1)]),
        ("image 16:9, 4 characters, image quality", []),
    ],
)
def test_references_are_found_in_every_spelling(text, found):
    assert [(reference.kind, reference.number) for reference in read_prompt(text).references] == found


def test_a_prompt_may_group_images_into_one_character():
    read = read_prompt("character1=1,2,3 sits. Character2 = 4 stands.")
    assert read.characters == {"character1": (1, 2, 3), "character2": (4,)}
    assert {(reference.kind, reference.number) for reference in read.references} == {
        ("character", 1),
        ("character", 2),
    }


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The boat leaves the harbour", "en"),
        ("Das Boot verlässt den Hafen", "de"),
        ("Le bateau quitte le port", "fr"),
        ("船离开了港口", "zh"),
        ("呢隻船而家先至離開咗碼頭", "yue"),
        ("船が港を出る", "ja"),
        ("배가 항구를 떠난다", "ko"),
        ("镜头 slow push-in 跟随一位骑手穿过树林", "zh"),
    ],
)
def test_the_language_is_recognised(text, language):
    assert language_of(text) == language


def test_longer_lines_take_longer_and_pauses_count():
    assert seconds_to_say("Hello.", "en") < seconds_to_say("Hello there, my old friend.", "en") < 3
    assert seconds_to_say("One. Two. Three.", "en") > seconds_to_say("One two three", "en")
    assert 1.5 < seconds_to_say("今天的面包刚刚出炉", "zh") < 3.5


def test_words_are_counted_in_every_script():
    assert count_words("Two-tone light, she doesn't move") == 5
    assert count_words("面包师开门") == 3
    assert count_words("배가 항구를 떠난다") == 3


FULL = (
    "An old clockmaker in a leather apron speaks to camera in a cramped workshop at dusk, warm painted illustration, slow push-in, "
    'soft ticking, he says "Every minute counts."'
)


@pytest.mark.parametrize(
    "line",
    [
        "ＯＫ！",
        "Hello, wörld",
        "你好，世界",
        "いすゞです",
        "Ça va ? ¡",
        "π",
        "12 34",
        "🙂🙂",
        "안녕하세요",
        "Œuvre naïve",
    ],
)
def test_a_line_of_the_seven_languages_is_not_called_foreign(line):
    found = read_prompt(f'A man says: "{line}"', mode="t2v", duration_s=5).findings
    assert "foreign_line" not in {each.code for each in found}


@pytest.mark.parametrize(
    ("text", "facts", "code"),
    [
        ("A cat sits.", {}, "too_short"),
        ("A cat sits. " * 30, {}, "too_long"),
        ("A stunning cat sits.", {}, "decorative"),
        ("Eine wunderschöne Katze sitzt.", {}, "decorative"),
        ("一只猫，8k，超高画质。", {}, "decorative"),
        ("A cat sits.", {}, "no_audio"),
        ('Audio: "The tide is high."', {}, "no_delivery"),
        ('A man says: "Привет, как дела?"', {}, "foreign_line"),
        ('A woman says: "¿Qué hora es?"', {}, "foreign_line"),
        ('A man says "' + "The tide is high tonight. " * 5 + '"', {"duration_s": 3}, "line_too_long"),
        ("他说：“" + "今天的面包刚刚出炉" * 4 + "”", {"duration_s": 5}, "line_too_long"),
        ('A man says "One. Two. Three."', {"duration_s": 5}, "many_sentences"),
        ("He opens the door, walks in, sits down, then looks at us.", {}, "action_sequence"),
        ("Opens fridge, pours drink, looks at camera", {}, "action_sequence"),
        ("Er öffnet die Tür, dann geht er hinein, dann setzt er sich.", {}, "action_sequence"),
        ("他推开门，走进来，坐下，然后看着我们。", {}, "action_sequence"),
        ("ドアを開けて、歩いて、座って、それから見る。", {}, "action_sequence"),
        ("문을 열고, 걸어가고, 앉고, 그리고 나서 본다.", {}, "action_sequence"),
        ("Une femme ouvre la porte, entre, s'assied, puis regarde.", {}, "action_sequence"),
        ("character3 waves", {"num_references": 2}, "unbound_reference"),
        ("[Image 1] waves", {"num_references": 0}, "unbound_reference"),
        ("character1=1,4 waves", {"num_references": 2}, "unbound_reference"),
        ("A man waves", {"num_references": 2}, "unused_reference"),
        ("[Image 1] waves", {"num_references": 2}, "unused_reference"),
        ("A street without cars", {}, "negative_phrasing"),
        ("Eine Straße ohne Autos", {}, "negative_phrasing"),
        ("一条街，不要汽车", {}, "negative_phrasing"),
        ("A shop with a logo", {}, "rendered_text"),
        ('A shop with a sign that reads "Fresh Bread"', {}, "rendered_text"),
        ("画面出现字幕", {}, "rendered_text"),
        ("A chef, a pilot and a dog wait", {}, "many_subjects"),
        ("Three hikers climb", {}, "many_subjects"),
        ("character1, character2 and character3 meet", {}, "many_subjects"),
        ("The same persona waves", {}, "invariants_missing"),
        ("A woman waves", {"is_series": True}, "invariants_missing"),
        ("A woman in a long dress runs", {}, "wardrobe_in_action"),
        ("A cat sits.", {}, "camera_open"),
        ("A cat looks into the camera.", {}, "camera_open"),
        ("A cat sits.", {}, "style_open"),
        ("A cat sits.", {}, "time_open"),
    ],
)
def test_a_weakness_is_found_and_comes_with_its_fix(text, facts, code):
    findings = {finding.code: finding for finding in read_prompt(text, **facts).findings}
    assert code in findings
    assert findings[code].message
    assert findings[code].fix


@pytest.mark.parametrize(
    ("text", "facts", "code"),
    [
        ("He opens the door, smiling, hat in hand, and waves.", {}, "action_sequence"),
        ("A wave crashes on rocks, a door slams in the wind, a car engine revs", {}, "action_sequence"),
        ("A kite glides. No text, no subtitles.", {}, "rendered_text"),
        ("一只风筝。画面无字幕，无文字。", {}, "rendered_text"),
        ("A fox trots. Audio: wind, no music.", {}, "negative_phrasing"),
        ("Same persona as before, same face, same hair, waves", {}, "invariants_missing"),
        ("A long dress hangs on a wall", {}, "wardrobe_in_action"),
        ("character1=1,2 waves", {"num_references": 2}, "unused_reference"),
        ("The cloth ripples", {"mode": "i2v", "num_references": 1}, "unused_reference"),
        ("The cloth ripples", {"mode": "i2v"}, "time_open"),
        ("A chef and a pilot wait", {}, "many_subjects"),
        ('She says "The kettle is on."', {"duration_s": 5}, "many_sentences"),
    ],
)
def test_what_is_well_raises_no_alarm(text, facts, code):
    assert code not in codes(text, **facts)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("Replace the blue car with a red sports car.", None),
        ("Make the lighting warmer and add lens flare.", None),
        ("Ersetze den Hut durch eine Mütze.", None),
        ("Remplace la voiture par un vélo.", None),
        ("将视频中的黑框眼镜替换为金丝框眼镜。", None),
        ("黒い傘を黄色い傘に置き換える。", None),
        ("영상의 배경을 바닷가로 바꿔 주세요.", None),
        ("Her coat is green now.", "edit"),
    ],
)
def test_an_edit_is_known_and_asked_for_nothing_else(text, mode):
    read = read_prompt(text, mode=mode, duration_s=5)
    assert read.is_edit
    assert read.findings == ()
    assert list(read.parts) == ["action"]


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Replace the music with soft jazz.", True),
        ('Replace the hat and let him say "Good evening."', True),
        ("将背景音乐换成爵士乐。", True),
        ("Replace the hat. Keep the music.", False),
        ("将视频1中的女主唱替换为男主唱，保持音乐节奏。", False),
    ],
)
def test_an_edit_that_changes_what_is_heard_has_an_audio_part(text, heard):
    assert ("audio" in read_prompt(text, mode="edit").parts) == heard


def test_an_instruction_to_animate_is_no_edit():
    assert not read_prompt("Make the man nod his head to music.").is_edit


def test_a_full_prompt_has_nothing_amiss():
    assert codes(LABELLED, duration_s=8, num_references=0) == set()
    assert codes(FULL, duration_s=8, num_references=0) == set()
    assert codes("") == set()


def test_words_outside_a_vocabulary_are_named_and_their_forms_are_not():
    read = read_prompt('Two dragons running beside a horse, he says "Unknown words in here are fine."')
    vocabulary = frozenset({"run", "horse", "beside", "says"})
    assert judge(read, vocabulary, {}).unknown == ("dragons",)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("He hisses at a door, a blur over his shoulder.", ("hisses", "door", "blur", "shoulder")),
        ("The happiest pups running, stopped and hopping.", ()),
        ("Suddenly a butterfly appears, gently lit.", ("butterfly",)),
        ("The entire sequence starts at the final moment.", ()),
    ],
)
def test_a_word_is_no_form_of_a_function_word_and_adverbs_are_no_things(text, unknown):
    vocabulary = frozenset(
        {"do", "his", "should", "blue", "happy", "pup", "run", "stop", "hop", "appear", "lit"}
    )
    assert judge(read_prompt(text), vocabulary, {}).unknown == unknown


def test_plurals_and_phrases_have_their_stand_ins_and_parts_of_phrases_do_not():
    stand_ins = {"tank top": "t-shirt", "library": "office", "dress": "an everyday garment"}
    read = read_prompt("A tank rolls by two libraries; women in dresses and tank tops.")
    assert judge(read, frozenset(), stand_ins).stood_in == {
        "libraries": "office",
        "dresses": "an everyday garment",
        "tank tops": "t-shirt",
    }
    assert judge(read, frozenset({"roll", "women"}), stand_ins).unknown == ("tank",)


def test_text_in_the_picture_is_quoted_from_the_beginning_of_a_word():
    found = read_prompt("She pours a drink, looks at camera with caption").findings
    said = [finding.message for finding in found if finding.code == "rendered_text"]
    assert said == ["text in the picture comes out unreadable: with caption"]


@pytest.mark.parametrize(
    "text",
    [
        "她在公园里挥手，说：“你好。”",
        "佢喺公園揮手，窗外落雨。",
        "彼女は公園で手を振る。雨の音。",
        "그녀는 공원에서 손을 흔든다.",
        "A woman waves in the park, rain.",
    ],
)
def test_a_prompt_may_stop_anywhere(text):
    """Also after the first character of a word that the lexicon knows in a longer form."""
    for end in range(len(text) + 1):
        read = read_prompt(text[:end])
        assert all(span.end <= end for span in read.spans)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text):
    read = read_prompt(text, duration_s=5, num_references=2)
    assert all(0 <= line.start < line.end <= len(text) for line in read.lines)
    assert all(line.seconds > 0 for line in read.lines)
    assert all(0 <= span.start < span.end <= len(text) for span in read.spans)
    ends = [0, *(position for span in read.spans for position in (span.start, span.end))]
    assert ends == sorted(ends)


@settings(max_examples=80, deadline=None)
@given(st.text("ab '\"“”‘’「」«»:.,\n[]【】@image1 character2说：", max_size=120))
def test_any_tangle_of_quotes_and_brackets_is_read_without_an_error(text):
    read_prompt(text, duration_s=5, num_references=1).to_dict()


PATTERNS = {
    f"{module.__name__}.{name}": value
    for module in (
        language,
        clauses,
        findings,
        grammar,
        grammar_cjk,
        lines,
        parts,
        sentences,
        tokens,
    )
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}
MANY = 30


def repeats(tree):
    """(body, most) of each repetition of a parsed pattern."""
    for operator, argument in tree:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield argument[2], int(argument[1])
            yield from repeats(argument[2])
        elif name == "SUBPATTERN":
            yield from repeats(argument[-1])
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from repeats(branch)
        elif name.startswith("ASSERT"):
            yield from repeats(argument[1])


def starts_with_repeat(tree):
    operator, argument = tree[0] if len(tree) else (None, None)
    name = str(operator)
    if name == "SUBPATTERN":
        return starts_with_repeat(argument[-1])
    if name == "BRANCH":
        return any(starts_with_repeat(branch) for branch in argument[1])
    return name in ("MAX_REPEAT", "MIN_REPEAT") and int(argument[1]) > 1


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_repeats_what_begins_with_a_repetition(name):
    """Such a pattern can take exponential time; each round of ours begins with one fixed character."""
    tree = sre_parser.parse(PATTERNS[name].pattern, PATTERNS[name].flags)
    for body, most in repeats(tree):
        assert most < MANY or not starts_with_repeat(body)


HOSTILE = [
    "'a ",
    '"',
    "[Image",
    "saying a ",
    "( ",
    "character1=1,",
    "A b, ",
    "**",
    "「",
    "\n# ",
    "'a' ",
    '"a" ',
    "and a ",
    "「あ」",
    "は",
    "在",
    "가",
    "三个",
    "no a ",
    "Subject: ",
    "  [",
    "*",
    "a-",
    "‘a ’",
    "“a” says ",
    "the cat walks and ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_prompt_takes_time_in_proportion_to_its_length(piece):
    def cost(length):
        text = (piece * length)[:length]
        start = time.process_time()
        read_prompt(text, duration_s=5, num_references=1).to_dict()
        return time.process_time() - start

    cost(500)
    assert min(cost(20_000) for _ in range(2)) < 40 * max(cost(2_000), 0.002)


def test_a_prompt_of_5000_characters_is_read_within_30_ms():
    text = " ".join([LABELLED.replace(":", ","), FULL] * 12)[:5000]

    def took_s():
        start = time.process_time()
        read_prompt(text, duration_s=5, num_references=2)
        return time.process_time() - start

    # The first that does: other work on the machine can only add.
    assert any(took_s() < 0.030 for _ in range(100))


def test_json_is_as_the_published_schema_says():
    schema = json.loads(
        (Path(language.__file__).with_name("prompt") / "schema.json").read_text(encoding="utf-8")
    )
    texts = [
        LABELLED,
        FULL,
        "",
        "character1=1,2 and [Image 3] as in @video1, 8k",
        "将车换成@图片1",
        "佢話：「食咗飯未呀？」",
    ]
    for text in texts:
        value = json.loads(json.dumps(read_prompt(text, duration_s=3, num_references=1).to_dict()))
        check(value, schema, schema)
    for wrong in ({}, {**value, "more": 1}, {**value, "language": "it"}, {**value, "num_words": "3"}):
        with pytest.raises(AssertionError):
            check(wrong, schema, schema)


def test_the_schema_names_every_finding():
    schema = json.loads(
        (Path(language.__file__).with_name("prompt") / "schema.json").read_text(encoding="utf-8")
    )
    named = set(schema["properties"]["findings"]["items"]["properties"]["code"]["enum"])
    source = Path(findings.__file__).read_text(encoding="utf-8")
    assert named == set(re.findall(r'Finding\(\s*"(\w+)"', source))


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
}


def check(value, schema, root):
    """As much of JSON Schema as the published one uses."""
    if "$ref" in schema:
        return check(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    if "enum" in schema:
        assert value in schema["enum"]
        return None
    assert isinstance(value, TYPES[schema["type"]])
    assert schema["type"] == "boolean" or not isinstance(value, bool)
    if isinstance(value, int | float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
        assert value > schema.get("exclusiveMinimum", value - 1)
    if isinstance(value, str):
        assert len(value) >= schema.get("minLength", 0)
    if isinstance(value, list):
        for item in value:
            check(item, schema["items"], root)
    if isinstance(value, dict):
        check_fields(value, schema, root)
    return None


def check_fields(value, schema, root):
    assert set(schema.get("required", ())) <= set(value)
    for name, field in value.items():
        pattern = next((p for p in schema.get("patternProperties", {}) if re.search(p, name)), None)
        assert name in schema.get("properties", {}) or pattern
        check(field, schema["patternProperties"][pattern] if pattern else schema["properties"][name], root)


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ('[Audio] speaking to camera, with the words "Do you hear that?"', "Do you hear that?"),
        (
            "A guy at night, telling us: The children followed an easy recipe. Full shot.",
            "The children followed an easy recipe.",
        ),
        ("He announces,: The engine saved something better.", "The engine saved something better."),
        (
            "shot=close-up voice='Good morning, you carried warm bread!' outfit=black",
            "Good morning, you carried warm bread!",
        ),
        (
            "top=yellow, voice= The engine measured a pair of gloves., shot=close-up",
            "The engine measured a pair of gloves.",
        ),
    ],
)
def test_lines_are_found_however_they_are_announced(prompt, line):
    assert [found.text for found in read_prompt(prompt).lines] == [line]


@pytest.mark.parametrize(
    "prompt", ['A wall with the words "KEEP OUT" behind her.', "voice=deep male, shot=close-up"]
)
def test_what_is_written_or_says_how_a_voice_sounds_is_no_line(prompt):
    assert read_prompt(prompt).lines == ()
