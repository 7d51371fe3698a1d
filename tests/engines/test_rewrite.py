# ruff: noqa: RUF001  the punctuation of other languages is meant
"""Prompts written out by a language model behind a real HTTP server; whatever it does, there is a prompt in the form."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from happyhorse.engines.enhance import enhance
from happyhorse.engines.rewrite import MAX_CHARACTERS, Rewriter, write_out
from happyhorse.errors import InvalidRequest
from happyhorse.prompt.read import read_prompt
from happyhorse.settings import Rewrite, Settings

PROMPT = 'A woman in a kitchen says "Good morning, everyone."'
LINES = read_prompt(PROMPT).lines
GOOD = """A woman stands in a bright kitchen. She says "Good morning, everyone." The camera is static.

Dialogue:
<A woman in a kitchen, English>: "Good morning, everyone."

Background Sound:
<a kettle>"""
KEY = "sk-secret"


class Endpoint(ThreadingHTTPServer):
    """Answers every request alike and keeps what it was asked."""

    def __init__(self, text=GOOD, *, status=200, body=None, headers=(), wait_s=0.0):
        super().__init__(("127.0.0.1", 0), Answer)
        choice = {"message": {"role": "assistant", "content": text}}
        self.body = json.dumps({"choices": [choice]}).encode() if body is None else body
        self.status, self.headers, self.wait_s, self.asked = status, headers, wait_s, []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def rewriter(self, **fields):
        return Rewriter(f"http://127.0.0.1:{self.server_port}/v1/", "small-1", **{"key": KEY, **fields})


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
        time.sleep(self.server.wait_s)
        self.send_response(self.server.status)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


def written(endpoint, prompt=PROMPT, lines=LINES, **fields):
    with endpoint:
        return write_out(prompt, lines=lines, rewriter=endpoint.rewriter(**fields))


def test_a_good_answer_is_taken_as_it_is():
    endpoint = Endpoint(f"\n{GOOD}\n")
    found = written(endpoint)
    assert found.text == GOOD
    assert found.note == "the prompt was put into the network's form by the operator's language model"
    path, authorization, asked = endpoint.asked[0]
    assert (path, authorization, asked["model"]) == ("/v1/chat/completions", f"Bearer {KEY}", "small-1")
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    sent = json.loads(asked["messages"][1]["content"])
    assert sent == {
        "prompt": PROMPT,
        "lines": [{"text": "Good morning, everyone.", "language": "English"}],
    }


def test_wide_characters_are_spaced_in_an_answer_too():
    prompt = "一位女士说：“早上好。”"
    answer = (
        'A woman says "早上好。"\n\nDialogue:\n<A woman, Mandarin>: "早上好。"\n\nBackground Sound:\n<rain>'
    )
    found = written(Endpoint(answer), prompt, read_prompt(prompt).lines)
    assert found.text.count('"早 上 好 。"') == 2


def test_without_a_key_none_is_sent():
    endpoint = Endpoint()
    assert written(endpoint, key=None).text == GOOD
    assert endpoint.asked[0][1] is None


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ({"status": 500}, "answered with status 500"),
        ({"status": 401}, "answered with status 401"),
        ({"body": b"<html>"}, "not of the chat completions form"),
        ({"body": b'{"choices": []}'}, "not of the chat completions form"),
        ({"text": None}, "answer is empty"),
        ({"text": "  "}, "answer is empty"),
        (
            {"text": "Sure! Here is your prompt."},
            "not a paragraph followed by Dialogue: and Background Sound:",
        ),
        ({"text": GOOD.replace("Dialogue:", "Speech:")}, "not a paragraph followed by"),
        ({"text": GOOD + "\n\nAnything else?"}, "not a paragraph followed by"),
        ({"text": GOOD.replace('says "Good morning', 'says "Good evening')}, "changed a spoken line"),
        ({"text": GOOD.replace(': "Good morning, everyone', ': "Hello')}, "changed a spoken line"),
        ({"text": GOOD + " " * 9 + "x" * MAX_CHARACTERS}, r"characters; at most 4000"),
        ({"wait_s": 0.5}, r"did not answer within 0\.1 s"),
    ],
)
def test_what_is_no_good_answer_is_replaced_by_the_rules_and_said(endpoint, why):
    found = written(Endpoint(**endpoint), timeout_s=0.1 if "wait_s" in endpoint else 10.0)
    assert found.text == enhance(PROMPT, lines=LINES)
    assert re.match(rf"the prompt was put into the network's form by rules: .*{why}", found.note)
    assert KEY not in found.note
    assert "127.0.0.1" not in found.note


def test_a_redirect_is_not_followed_and_takes_the_key_nowhere():
    with Endpoint() as elsewhere:
        place = f"http://127.0.0.1:{elsewhere.server_port}/v1/chat/completions"
        found = written(Endpoint(status=307, headers=[("Location", place)]))
    assert "answered with status 307" in found.note
    assert elsewhere.asked == []


def test_an_endpoint_that_is_away_is_replaced_by_the_rules():
    with Endpoint() as endpoint:
        gone = endpoint.rewriter()
    found = write_out(PROMPT, lines=LINES, rewriter=gone)
    assert found.text == enhance(PROMPT, lines=LINES)
    assert "cannot be reached (ConnectError)" in found.note


def test_invented_speech_is_not_taken():
    found = written(Endpoint(), "A woman in a kitchen.", ())
    assert found.text == enhance("A woman in a kitchen.", lines=())
    assert "not a paragraph followed by Background Sound:" in found.note


def test_a_prompt_that_has_the_form_asks_nobody():
    endpoint = Endpoint()
    assert written(endpoint, GOOD).text == GOOD
    assert endpoint.asked == []
    assert write_out(PROMPT, lines=LINES, rewriter=None).note == ""


def test_the_environment_names_the_endpoint():
    names = {"URL": "http://10.0.0.5:8000/v1", "MODEL": "small-1", "KEY": KEY}
    environ = {f"HAPPYHORSE_REWRITE_{name}": value for name, value in names.items()}
    assert Settings.from_env(environ).rewrite == Rewrite("http://10.0.0.5:8000/v1", "small-1", KEY)
    assert KEY not in repr(Settings.from_env(environ))
    assert Settings.from_env({}).rewrite == Rewrite()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"URL": "ftp://host"}, r"REWRITE_URL must be http\(s\)"),
        ({"URL": "host/v1"}, "REWRITE_URL must be"),
        ({"URL": "http://["}, "REWRITE_URL must be"),
        ({"URL": "http://me:sk-secret@host/v1"}, "without a password"),
        ({"MODEL": ""}, "REWRITE_MODEL must name a model"),
        ({"KEY": "two words"}, "REWRITE_KEY must be one word"),
    ],
)
def test_a_wrong_endpoint_is_refused_in_one_sentence(changed, said):
    names = {"URL": "http://host/v1", "MODEL": "small-1", "KEY": KEY, **changed}
    with pytest.raises(InvalidRequest, match=said) as caught:
        Settings.from_env({f"HAPPYHORSE_REWRITE_{name}": value for name, value in names.items()})
    assert KEY not in str(caught.value)
