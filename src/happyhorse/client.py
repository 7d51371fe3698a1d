"""The SDK: Client and AsyncClient for a happyhorse server, one behaviour in two colours.

What a call does is written once, in `happyhorse.client_flows`; the two clients only send and sleep. Errors are those of
`happyhorse.errors`.

    client = Client("http://127.0.0.1:8000")
    clip = client.generate("A cat sits on a red mat.", duration=5, on_progress=lambda now: print(now.percent))
    client.download(clip, Path("cat.mp4"))
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast
from urllib.parse import quote, urlsplit

import httpx

from happyhorse import client_flows as flows
from happyhorse.client_flows import (
    Answer,
    Call,
    Event,
    Fields,
    Flow,
    Generation,
    OnProgress,
    Page,
    Pause,
    Unreachable,
)
from happyhorse.errors import InvalidRequest

__all__ = ["AsyncClient", "Client", "Event", "Fields", "Generation", "Page", "Unreachable"]

T = TypeVar("T")


@dataclass(frozen=True)
class _Address:
    base_url: str
    api_key: str | None
    timeout_s: float

    @classmethod
    def of(cls, base_url: str, api_key: str | None, timeout_s: float) -> _Address:
        if urlsplit(base_url).scheme not in ("http", "https"):
            raise InvalidRequest(
                f"base_url must start with http:// or https://; got '{base_url[:80]}'", field="base_url"
            )
        return cls(base_url.rstrip("/"), api_key, timeout_s)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def events(self, job_id: str, after: int) -> tuple[str, dict[str, str]]:
        return f"{flows.place(job_id)}/events", {"Last-Event-ID": str(after), "Accept": "text/event-stream"}

    def lost(self, err: Exception) -> Unreachable:
        text = f"{self.base_url} cannot be reached ({type(err).__name__}); is happyhorse serve running there?"
        return Unreachable(text)


def _answer(response: httpx.Response) -> Answer:
    after = response.headers.get("retry-after", "")
    return Answer(response.status_code, response.content, float(after) if after.isdigit() else None)


class Client:
    """Calls that block. Use it as a context manager or `close` it."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._at = _Address.of(base_url, api_key, timeout_s)
        self._http = httpx.Client(
            base_url=self._at.base_url, headers=self._at.headers, timeout=timeout_s, transport=transport
        )
        self.files = Files(self)

    def generate(
        self,
        prompt: str = "",
        *,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
        **fields: Unpack[Fields],
    ) -> Generation:
        """Make a clip and wait for it. Raises: the job's own error; Canceled; TimeoutError, and then it still goes on."""
        return self._run(flows.generate(prompt, fields, on_progress, timeout_s))

    def submit(
        self, prompt: str = "", *, idempotency_key: str | None = None, **fields: Unpack[Fields]
    ) -> Generation:
        """Queue a clip. Sent again safely when the network fails."""
        return self._run(flows.submit(prompt, fields, idempotency_key))

    def plan(self, prompt: str = "", **fields: Unpack[Fields]) -> Mapping[str, Any]:
        """What would be made, and its price."""
        return self._run(flows.plan(prompt, fields))

    def get(self, job_id: str) -> Generation:
        return self._run(flows.get(job_id))

    def list(self, *, status: str | None = None, limit: int = 20, cursor: str | None = None) -> Page:
        return self._run(flows.list_page(status, limit, cursor))

    def wait(
        self, job_id: str, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
    ) -> Generation:
        """Poll until it is over. Raises as `generate`."""
        return self._run(flows.wait(job_id, on_progress, timeout_s))

    def cancel(self, job_id: str) -> Generation:
        return self._run(flows.act(job_id, "cancel", safe=True))

    def retry(self, job_id: str) -> Generation:
        """Queue a failed or canceled one again, as a new generation."""
        return self._run(flows.act(job_id, "retry", safe=False))

    def delete(self, job_id: str) -> None:
        self._run(flows.ask(Call("DELETE", flows.place(job_id), safe=False)))

    def download(self, clip: Generation | str, path: Path) -> Path:
        """Write the clip to a file; a broken download leaves nothing behind."""
        return self._run(flows.download(clip, path))

    def stream(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """Every event of a job from the one after `after` on, to its end; goes on where it was when the connection breaks."""
        at = flows.Following(after)
        while not at.is_done:
            at.is_empty = True
            path, headers = self._at.events(job_id, at.after)
            try:
                with self._http.stream("GET", path, headers=headers) as response:
                    if response.status_code >= 400:
                        response.read()
                        raise _refusal(response)
                    for event in flows.events(response.iter_lines()):
                        yield at.saw(event)
                        if at.is_done:
                            return
            except httpx.TransportError as err:
                if at.lost():
                    raise self._at.lost(err) from err
            else:
                if at.is_empty:
                    at.found(self.get(job_id))
            time.sleep(at.pause_s)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        answer: Answer | Unreachable | None = None
        while True:
            try:
                wanted = flow.send(answer)
            except StopIteration as done:
                return cast(T, done.value)
            answer = None
            if isinstance(wanted, Pause):
                time.sleep(wanted.seconds)
            else:
                answer = self._send(wanted)

    def _send(self, call: Call) -> Answer | Unreachable:
        try:
            if call.save_to is not None:
                return self._save(call, call.save_to)
            if call.upload is not None:
                with call.upload.open("rb") as file:
                    form = {"file": (call.upload.name, file)}
                    return _answer(self._http.request(call.method, call.path, files=form))
            return _answer(
                self._http.request(
                    call.method, call.path, json=call.json, params=call.params, headers=call.headers
                )
            )
        except httpx.TransportError as err:
            return self._at.lost(err)

    def _save(self, call: Call, path: Path) -> Answer:
        part = _part(path)
        try:
            with self._http.stream(call.method, call.path) as response:
                if response.status_code >= 400:
                    response.read()
                    return _answer(response)
                with part.open("wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
            part.replace(path)
            return Answer(response.status_code, b"")
        finally:
            part.unlink(missing_ok=True)


class Files:
    """Uploads of a Client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def upload(self, path: Path) -> Mapping[str, Any]:
        """Send a file once; use its `id` in any number of requests."""
        return self._client._run(flows.upload(path))

    def delete(self, file_id: str) -> None:
        self._client._run(flows.ask(Call("DELETE", f"/v1/files/{quote(file_id, safe='')}", safe=False)))


class AsyncClient:
    """The same calls for asyncio."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._at = _Address.of(base_url, api_key, timeout_s)
        self._http = httpx.AsyncClient(
            base_url=self._at.base_url, headers=self._at.headers, timeout=timeout_s, transport=transport
        )
        self.files = AsyncFiles(self)

    async def generate(
        self,
        prompt: str = "",
        *,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
        **fields: Unpack[Fields],
    ) -> Generation:
        """Make a clip and wait for it. Raises: the job's own error; Canceled; TimeoutError, and then it still goes on."""
        return await self._run(flows.generate(prompt, fields, on_progress, timeout_s))

    async def submit(
        self, prompt: str = "", *, idempotency_key: str | None = None, **fields: Unpack[Fields]
    ) -> Generation:
        """Queue a clip. Sent again safely when the network fails."""
        return await self._run(flows.submit(prompt, fields, idempotency_key))

    async def plan(self, prompt: str = "", **fields: Unpack[Fields]) -> Mapping[str, Any]:
        """What would be made, and its price."""
        return await self._run(flows.plan(prompt, fields))

    async def get(self, job_id: str) -> Generation:
        return await self._run(flows.get(job_id))

    async def list(self, *, status: str | None = None, limit: int = 20, cursor: str | None = None) -> Page:
        return await self._run(flows.list_page(status, limit, cursor))

    async def wait(
        self, job_id: str, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
    ) -> Generation:
        """Poll until it is over. Raises as `generate`."""
        return await self._run(flows.wait(job_id, on_progress, timeout_s))

    async def cancel(self, job_id: str) -> Generation:
        return await self._run(flows.act(job_id, "cancel", safe=True))

    async def retry(self, job_id: str) -> Generation:
        """Queue a failed or canceled one again, as a new generation."""
        return await self._run(flows.act(job_id, "retry", safe=False))

    async def delete(self, job_id: str) -> None:
        await self._run(flows.ask(Call("DELETE", flows.place(job_id), safe=False)))

    async def download(self, clip: Generation | str, path: Path) -> Path:
        """Write the clip to a file; a broken download leaves nothing behind."""
        return await self._run(flows.download(clip, path))

    async def stream(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event of a job from the one after `after` on, to its end; goes on where it was when the connection breaks."""
        at = flows.Following(after)
        while not at.is_done:
            at.is_empty = True
            path, headers = self._at.events(job_id, at.after)
            try:
                async with self._http.stream("GET", path, headers=headers) as response:
                    if response.status_code >= 400:
                        await response.aread()
                        raise _refusal(response)
                    lines = flows.EventLines()
                    async for line in response.aiter_lines():
                        event = lines.add(line)
                        if event is None:
                            continue
                        yield at.saw(event)
                        if at.is_done:
                            return
            except httpx.TransportError as err:
                if at.lost():
                    raise self._at.lost(err) from err
            else:
                if at.is_empty:
                    at.found(await self.get(job_id))
            await asyncio.sleep(at.pause_s)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        answer: Answer | Unreachable | None = None
        while True:
            try:
                wanted = flow.send(answer)
            except StopIteration as done:
                return cast(T, done.value)
            answer = None
            if isinstance(wanted, Pause):
                await asyncio.sleep(wanted.seconds)
            else:
                answer = await self._send(wanted)

    async def _send(self, call: Call) -> Answer | Unreachable:
        try:
            if call.save_to is not None:
                return await self._save(call, call.save_to)
            if call.upload is not None:
                form = {"file": (call.upload.name, await asyncio.to_thread(call.upload.read_bytes))}
                return _answer(await self._http.request(call.method, call.path, files=form))
            return _answer(
                await self._http.request(
                    call.method, call.path, json=call.json, params=call.params, headers=call.headers
                )
            )
        except httpx.TransportError as err:
            return self._at.lost(err)

    async def _save(self, call: Call, path: Path) -> Answer:
        part = _part(path)
        try:
            async with self._http.stream(call.method, call.path) as response:
                if response.status_code >= 400:
                    await response.aread()
                    return _answer(response)
                with part.open("wb") as file:
                    async for chunk in response.aiter_bytes():
                        file.write(chunk)
            part.replace(path)
            return Answer(response.status_code, b"")
        finally:
            part.unlink(missing_ok=True)


class AsyncFiles:
    """Uploads of an AsyncClient."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def upload(self, path: Path) -> Mapping[str, Any]:
        """Send a file once; use its `id` in any number of requests."""
        return await self._client._run(flows.upload(path))

    async def delete(self, file_id: str) -> None:
        await self._client._run(flows.ask(Call("DELETE", f"/v1/files/{quote(file_id, safe='')}", safe=False)))


def _refusal(response: httpx.Response) -> Exception:
    """Why there is no stream; some answers come from a proxy whose server is being restarted, and are a connection lost."""
    if response.status_code in flows.RETRY_STATUS:
        return httpx.RemoteProtocolError(f"it answered {response.status_code}")
    return flows.error_of(_answer(response))


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
