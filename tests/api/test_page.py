"""The files of the page at `/`, and how a prompt is read for it."""

import re
from pathlib import Path

import httpx
import pytest
from rig import listening, open_service

import happyhorse

STUDIO = Path(happyhorse.__file__).parent / "studio"


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    opened = open_service(tmp_path_factory.mktemp("page"))
    with listening(opened) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
    opened.close()


def test_the_page_is_served_and_locked_to_this_server(http):
    answer = http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert http.head("/").status_code == 200
    again = http.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert again.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("name", sorted(place.name for place in STUDIO.iterdir()))
def test_each_part_is_served_with_its_type(http, name):
    answer = http.get(f"/studio/{name}")
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[Path(name).suffix])
    assert answer.content == (STUDIO / name).read_bytes()


@pytest.mark.parametrize("name", ["nothing.js", "..%2fsettings.py", "%2e%2e", "%00"])
def test_nothing_else_is_served(http, name):
    assert http.get(f"/studio/{name}").status_code in (404, 422)


def test_the_page_asks_nothing_of_other_servers_and_names_only_parts_that_exist():
    for place in STUDIO.iterdir():
        text = place.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), place.name
        for part in re.findall(r"/studio/([\w.]+)", text):
            assert (STUDIO / part).is_file(), f"{place.name} names {part}"


def test_the_page_makes_no_markup_from_text():
    for place in STUDIO.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", place.read_text()
        ), place.name


def test_a_prompt_is_read(http):
    text = 'A baker lifts a loaf and says: "Fresh and warm!"'
    found = http.post("/v1/prompts", json={"prompt": text, "duration": 5, "references": 0}).json()
    assert found["parts"]["subject"] == "A baker"
    assert found["lines"][0]["text"] == "Fresh and warm!"
    assert text[found["lines"][0]["start"] : found["lines"][0]["end"]] == '"Fresh and warm!"'
    assert {"code", "severity", "message", "fix"} == set(found["findings"][0])


def test_findings_know_the_clip(http):
    text = "character3 waves to character1."
    few = http.post("/v1/prompts", json={"prompt": text, "mode": "r2v", "references": 1}).json()["findings"]
    all_there = http.post("/v1/prompts", json={"prompt": text, "mode": "r2v", "references": 3}).json()[
        "findings"
    ]
    assert {found["code"] for found in few} - {found["code"] for found in all_there}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "x" * 20_001}, "prompt"),
        ({"prompt": "x", "mode": "film"}, "mode"),
        ({"prompt": "x", "references": 10}, "references"),
        ({"prompt": "x", "duration": -1}, "duration"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(http, body, field):
    answer = http.post("/v1/prompts", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_half_a_character_is_refused(http):
    headers = {"Content-Type": "application/json"}
    answer = http.post("/v1/prompts", content=b'{"prompt": "\\ud800"}', headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "prompt")
