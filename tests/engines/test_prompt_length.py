"""A prompt that is longer than what the 15 B network reads is said in the plan: how long, and what is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from happyhorse.cli.app import main
from happyhorse.engines.catalog import CATALOG, MAGIHUMAN
from happyhorse.engines.catalog_magihuman import MAGIHUMAN_BASE
from happyhorse.engines.plan import plan
from happyhorse.engines.prompt_length import estimate_tokens, what_is_lost
from happyhorse.engines.tokenizer import TOKENIZER_FILE, open_tokenizer
from happyhorse.model.t5gemma import MAX_ROWS
from happyhorse.request import parse_request

SENTENCE = "A woman with red hair walks through the busy market and looks at fruit. "


def cut(prompt, engine=MAGIHUMAN, *, negative_prompt=None, **options):
    """The warnings of a plan that a prompt is not read to its end."""
    fields = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": 1, "engine": engine.engine}
    found = plan(parse_request(fields), engine, media={}, **options).findings
    return [each for each in found if each.code.endswith("prompt_cut")]


@pytest.fixture
def weights(tmp_path):
    """A folder with nothing but a tokenizer: of words and marks, and a token for the beginning."""
    words = Tokenizer(WordLevel({"[UNK]": 0, "<bos>": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    words.enable_truncation(100)  # as some folders have it
    path = tmp_path / TOKENIZER_FILE
    path.parent.mkdir(parents=True)
    words.save(str(path))
    return tmp_path


def test_the_network_reads_as_many_tokens_as_the_plan_says():
    assert MAGIHUMAN.text_tokens == MAX_ROWS


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("", [0]),
        ("Derinkuyu is an underground city.", [0, 4, 9, 12, 15, 22, 27, 32, 33]),  # Gemma's own has eight too
        ("in 2026", [0, 2, 4, 5, 6, 7]),
        ("雨 a", [0, 0, 1, 3]),
        ("red雨", [0, 3, 4, 4]),
        ("a\n\nb", [0, 1, 2, 3, 4]),
    ],
)
def test_tokens_are_estimated(text, ends):
    found = estimate_tokens(text)
    assert [abs(one - other) <= 1 for one, other in zip(found, ends, strict=True)] == [True] * len(ends)


@given(st.text())
def test_an_estimate_goes_forward_and_to_the_end(text):
    ends = estimate_tokens(text)
    assert ends == sorted(ends)
    assert text[ends[-1] :].strip() == ""


def test_what_is_lost_is_quoted():
    ends = [0, 1, 3, 5]
    assert what_is_lost("a b c", ends, max_tokens=4) == ""
    assert what_is_lost("a b c", ends, max_tokens=2) == "its last 3 characters are lost, from 'b c' on"
    assert what_is_lost("a", [0, 1, 0], max_tokens=2) == "", "a token for the end stands for no text"
    text = f"a {'b' * 100}"
    assert "from 'bbb" in what_is_lost(text, [0, 1, 102], max_tokens=2)
    assert "b...'" in what_is_lost(text, [0, 1, 102], max_tokens=2)


def test_a_long_prompt_is_said_by_estimate_where_there_are_no_weights(tmp_path):
    assert open_tokenizer(tmp_path) is None
    assert cut(SENTENCE) == []
    (found,) = cut(SENTENCE * 40)
    assert found.severity == "warning"
    assert "tokens by estimate, of which the network reads 640: its last" in found.message
    assert "<No prominent background sound>" not in found.message
    (spaced,) = cut("一位女人站在厨房里" * 40)
    assert "about" in spaced.message
    assert cut(SENTENCE * 40, CATALOG["testcard"]) == []


def test_a_long_negative_prompt_is_said_where_it_is_read(weights):
    assert cut("A cat.", MAGIHUMAN_BASE) == []
    (found,) = cut("A cat.", MAGIHUMAN_BASE, negative_prompt="word " * 700, tokenize=open_tokenizer(weights))
    assert found.message.startswith(
        "the negative prompt has 701 tokens, of which the network reads 640: its last"
    )
    assert cut("A cat.", negative_prompt="word " * 700) == []


def test_a_long_prompt_is_counted_by_the_tokenizer_that_is_there(weights):
    tokenize = open_tokenizer(weights)
    assert tokenize("a b.") == [0, 1, 3, 4]
    words = " ".join(["word"] * 700)
    exact = f"{words}\n\nDialogue:\nnone\n\nBackground Sound:\n<rain>"
    (found,) = cut(exact, tokenize=tokenize)
    count = (
        1 + 700 + 6 + 3
    )  # the beginning, the words, what heads the blocks with its marks, the sound with its own
    assert f"the prompt has {count} tokens, of which the network reads 640: its last" in found.message
    lost = len(exact) - len(" ".join(["word"] * 639)) - 1
    assert f"its last {lost} characters are lost, from 'word word" in found.message
    assert cut(" ".join(["word"] * 300), tokenize=tokenize) == []


def test_the_command_counts_with_the_weights_that_are_there(weights, monkeypatch, capsys):
    monkeypatch.setenv("HAPPYHORSE_WEIGHTS_DIR", str(weights))
    asked = ["generate", "word " * 800, "--engine", "magihuman", "--plan", "--gpu", "24GB"]
    with pytest.raises(SystemExit):
        main(asked)
    warned = [line for line in capsys.readouterr().out.splitlines() if "network reads 640" in line]
    assert len(warned) == 1
    assert warned[0].startswith("warning ")
    assert "by estimate" not in warned[0]


def test_a_tokenizer_that_cannot_be_read_does_not_stop_a_plan(weights):
    (weights / TOKENIZER_FILE).write_text("{")
    assert open_tokenizer(weights) is None
