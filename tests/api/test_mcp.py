"""MCP at /mcp with the official client, and the two routes that the published Happy Horse MCP server calls."""

import asyncio
import contextlib
import json

import httpx
import httpx2
import mcp
import pytest
from live import PRICE, front, serving  # noqa: F401
from mcp.client.streamable_http import streamable_http_client
from rig import PROMPT, listening, pipeline, plainly, until, working

SMALL = {"prompt": PROMPT, "resolution": "480P", "duration": 3, "seed": 42}
TOOLS = {
    "happyhorse_generate_video",
    "happyhorse_generate_video_from_image",
    "happyhorse_generate_video_from_references",
    "happyhorse_edit_video",
    "happyhorse_get_task",
    "happyhorse_get_tasks_batch",
    "happyhorse_cancel_task",
    "happyhorse_list_models",
}
ERAS = ["legacy", "auto"]


@pytest.fixture
def url(service):
    with listening(service) as url:
        yield url


@contextlib.asynccontextmanager
async def connected(url, *, mode="auto", key=None, trust=True):
    """The official client; `legacy` shakes hands as clients did before 2026-07-28."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, verify=trust) as http,
        mcp.Client(
            streamable_http_client(f"{str(url).rstrip('/')}/mcp", http_client=http), mode=mode
        ) as client,
    ):
        yield client


async def call(client, name, **arguments):
    """The one JSON object that a tool answers with."""
    told = await client.call_tool(f"happyhorse_{name}", arguments)
    (block,) = told.content
    return json.loads(block.text), told.is_error


async def good(client, name, **arguments):
    told, failed = await call(client, name, **arguments)
    assert not failed, told
    return told


async def bad(client, name, **arguments):
    told, failed = await call(client, name, **arguments)
    assert failed, told
    return told["error"]


async def succeeded(client, task_id):
    for _ in range(300):
        told = await good(client, "get_task", task_id=task_id)
        if told["state"] != "pending":
            break
        await asyncio.sleep(0.1)
    assert told["state"] == "succeeded", told
    return told["response"]["data"][0]


@pytest.mark.parametrize("mode", ERAS)
def test_the_tools_are_those_of_the_published_server_and_one_to_cancel(front, mode):  # noqa: F811
    async def use():
        async with connected(front.base_url, mode=mode) as client:
            tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
            assert set(tools) == TOOLS
            assert tools["happyhorse_generate_video"]["required"] == ["prompt"]
            assert tools["happyhorse_edit_video"]["properties"]["image_urls"]["maxItems"] == 5
            models = await good(client, "list_models")
            assert models["video_edit"]["default"] == "happyhorse-1.0-video-edit"
            with pytest.raises(mcp.MCPError, match="there is no tool 'happyhorse_fly'"):
                await client.call_tool("happyhorse_fly", {})

    asyncio.run(use())


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_answers_at_once_with_a_task_to_poll(url, service, tmp_path, mode):
    async def use():
        async with connected(url, mode=mode) as client:
            made = await good(client, "generate_video", **SMALL)
            assert (made["state"], made["polling_interval_seconds"]) == ("pending", 15)
            with working(service, tmp_path):
                clip = await succeeded(client, made["task_id"])
            assert clip["usage"]["output_video_duration"] == 3
            assert httpx.get(clip["video_url"]).headers["content-type"] == "video/mp4"
            both = await good(client, "get_tasks_batch", task_ids=[made["task_id"], "none"])
            assert [item["state"] for item in both["items"]] == ["succeeded", "failed"]

    asyncio.run(use())


@pytest.mark.parametrize("mode", ERAS)
def test_a_caller_with_a_progress_token_is_told_the_progress_until_the_end(url, service, tmp_path, mode):
    seen = []

    async def note(progress, total, message):
        seen.append((progress, total, message))

    async def use():
        async with connected(url, mode=mode) as client:
            told = await client.call_tool("happyhorse_generate_video", SMALL, progress_callback=note)
            return json.loads(told.content[0].text)

    with working(service, tmp_path, seconds=0.3):
        done = asyncio.run(use())
    assert done["state"] == "succeeded"
    assert "next_step" not in done
    told = [progress for progress, _, _ in seen]
    assert told == sorted(set(told))
    assert told[-1] == 100
    assert {total for _, total, _ in seen} == {100}


def test_what_is_wrong_is_told_under_the_tools_own_names(front):  # noqa: F811
    async def use():
        async with connected(front.base_url) as client:
            assert (await bad(client, "generate_video", duration=3))["message"] == "prompt is required"
            wrong = await bad(client, "generate_video", **{**SMALL, "duration": 16})
            assert wrong["field"] == "duration"
            wrong = await bad(client, "generate_video", **SMALL, model="happyhorse-1.1-i2v")
            assert "model must be one of happyhorse-1.0-t2v, happyhorse-1.1-t2v" in wrong["message"]
            wrong = await bad(client, "generate_video_from_references", **SMALL)
            assert wrong["message"] == "image_urls is required"
            wrong = await bad(
                client, "generate_video_from_image", **SMALL, image_url="http://127.0.0.1/a.png"
            )
            assert wrong["field"] == "image_url"
            assert "NUL" in (await bad(client, "generate_video", prompt="a cat\0"))["message"]
            assert (await bad(client, "get_task", task_id="none"))["code"] == "not_found"
            assert (await bad(client, "get_task"))["field"] == "task_id"
            assert (await bad(client, "get_tasks_batch", task_ids=[]))["field"] == "task_ids"

    asyncio.run(use())


def test_a_task_is_canceled(url, service):
    async def use():
        async with connected(url) as client:
            made = await good(client, "generate_video", **SMALL)
            told = await good(client, "cancel_task", task_id=made["task_id"])
            assert (told["state"], told["response"]["error"]["code"]) == ("failed", "canceled")
            assert (await good(client, "get_task", task_id=made["task_id"]))["state"] == "failed"

    asyncio.run(use())


def test_a_wrong_key_and_a_page_of_another_site_do_not_get_in(url, service):
    for headers in ({"Authorization": "Bearer wrong"}, {"Origin": "https://evil.test"}):
        answer = httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)
        assert answer.status_code == 401

    _, reader = service.keys.create("reader", scopes=("read",))

    async def use():
        async with connected(url, key=reader) as client:
            assert (await bad(client, "generate_video", **SMALL))["code"] == "forbidden"
            assert "generate" in await good(client, "list_models")

    asyncio.run(use())


# -- what mcp-happyhorse calls ---------------------------------------------------------------------------------------------


@pytest.fixture
def http(url):
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_the_published_servers_requests_are_answered(http, service, tmp_path):
    sent = {
        "action": "generate",
        "model": "happyhorse-1.1-t2v",
        "ratio": "16:9",
        "watermark": False,
        "async": True,
    }
    made = http.post("/happyhorse/videos", json={**sent, **SMALL}).json()
    assert made["success"] is True
    asked = {"id": made["task_id"], "action": "retrieve"}
    assert http.post("/happyhorse/tasks", json=asked).json()["state"] == "pending"
    with working(service, tmp_path):
        until(lambda: http.post("/happyhorse/tasks", json=asked).json()["state"] == "succeeded")
    (clip,) = http.post("/happyhorse/tasks", json=asked).json()["response"]["data"]
    assert http.get(clip["video_url"]).status_code == 200
    batch = http.post("/happyhorse/tasks", json={"ids": [made["task_id"]], "action": "retrieve_batch"}).json()
    assert batch["count"] == 1


def test_its_callback_gets_the_task(http, service, tmp_path, receiver):
    service.outbound.allow_local = True
    made = http.post("/happyhorse/videos", json={**SMALL, "callback_url": receiver.url}).json()
    pipeline(service, tmp_path).run(made["task_id"], plainly)
    until(lambda: receiver.came)
    asked = {"id": made["task_id"], "action": "retrieve"}
    assert json.loads(receiver.came[0][2]) == http.post("/happyhorse/tasks", json=asked).json()


@pytest.mark.parametrize(
    ("route", "body", "status", "said"),
    [
        ("videos", {"action": "fly"}, 422, "action must be one of generate"),
        ("videos", {"action": "image_to_video"}, 422, "image_url is required"),
        ("videos", {**SMALL, "model": "wan-2"}, 404, "Model not exist"),
        ("videos", {**SMALL, "callback_url": "ftp://x.test"}, 422, "callback_url"),
        ("tasks", {"action": "retrieve"}, 422, "a task id must be text"),
        ("tasks", {"action": "retrieve", "id": "none"}, 404, "there is no generation"),
        ("tasks", {"action": "retrieve_batch", "ids": []}, 422, "ids must be a list of 1 to 50"),
        ("tasks", {"action": "delete"}, 422, "action must be retrieve or retrieve_batch"),
    ],
)
def test_its_errors_have_a_code_and_a_sentence(front, route, body, status, said):  # noqa: F811
    answer = front.post(f"/happyhorse/{route}", json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"]


# -- a server process ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("mcp")) as server:
        yield server


@pytest.mark.slow
def test_the_official_client_uses_every_mode_and_is_billed_for_edits_in_and_out(live):
    async def use():
        async with connected(live.url, key=live.key) as client:
            image = live.data_url()
            made = await good(client, "generate_video_from_image", **SMALL, image_url=image)
            await succeeded(client, made["task_id"])
            images = [live.data_url(number) for number in range(3)]
            made = await good(client, "generate_video_from_references", **SMALL, image_urls=images)
            clip = await succeeded(client, made["task_id"])
            live.download(clip["video_url"])
            sounds = {}
            for audio in ("auto", "origin", "remove"):
                made = await good(
                    client, "edit_video", prompt="Make the mat blue.", video_url=clip["video_url"],
                    resolution="720P", audio_setting=audio,
                )  # fmt: skip
                usage = (await succeeded(client, made["task_id"]))["usage"]
                assert (usage["duration"], usage["input_video_duration"]) == (6.0, 3.0)
                shown = live.generation(made["task_id"])
                assert shown["cost_usd"] == pytest.approx(6 * PRICE["720P"])
                sounds[audio] = shown["output"]["sound"]
            assert sounds == {"auto": "retain", "origin": "retain", "remove": "remove"}

    asyncio.run(use())
