"""The engine that makes nothing itself: it forwards a plan to another server with the user's key and copies the clip that comes back.

`denoise` sends the inputs, orders the clip and returns at once; its take holds the id that the clip has there. `render` follows
that id, then downloads. So a job that is killed while it waits goes on with the same order, and nobody pays twice; only a
kill in the moment between the order and the record of it loses an order. A cancel is passed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from happyhorse.engines.base import Capabilities, OnePass, OnProgress
from happyhorse.engines.hosted_dashscope import DashScope
from happyhorse.engines.hosted_replicate import Replicate
from happyhorse.engines.hosted_wire import PATIENCE_S, Dialect, Local, Look, Sent, Wire
from happyhorse.engines.plan import Plan
from happyhorse.engines.progress import Reporter
from happyhorse.engines.take import Take
from happyhorse.errors import Canceled, EngineError, MediaError, RemoteError, RemoteTimeout
from happyhorse.media.picture import fit
from happyhorse.media.read import decode_image, probe
from happyhorse.media.write import placed
from happyhorse.request import Output
from happyhorse.shapes import MediaInfo, nearest_ratio

TIMEOUT_S = 3600.0
"""How long a clip may take there, its wait included."""
_DIALECTS: Mapping[str, type[DashScope] | type[Replicate]] = {"dashscope": DashScope, "replicate": Replicate}
_SHARES = {"prepare": 0.04, "base": 0.90, "decode": 0.05, "finish": 0.01}
_FIRST_LOOK_S, _LOOK_S = 0.5, 5.0
_SLICE_S = 0.1  # how long a cancel may wait
_MAX_GUESS = 0.95  # of the waiting, as long as only the clock speaks of it
_PERCENT = 100
# container -> ending of the name it is sent under, media type
_FORMATS = {
    "jpeg": ("jpg", "image/jpeg"),
    "png": ("png", "image/png"),
    "webp": ("webp", "image/webp"),
    "bmp": ("bmp", "image/bmp"),
    "mp4": ("mp4", "video/mp4"),
    "mov": ("mov", "video/quicktime"),
    "webm": ("webm", "video/webm"),
    "matroska": ("mkv", "video/x-matroska"),
}


class HostedEngine(OnePass):
    """Forwards to the endpoint of its capabilities with one key. `patience_s`: how long that server may be away."""

    def __init__(
        self,
        capabilities: Capabilities,
        key: str,
        *,
        patience_s: float = PATIENCE_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        assert capabilities.forward is not None
        self._capabilities, self._key = capabilities, key
        self._forward = capabilities.forward
        self._patience_s, self._timeout_s = patience_s, timeout_s

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def denoise(self, plan: Plan, *, on_progress: OnProgress) -> Take:
        """Send the inputs and order the clip. Raises: RemoteError and what lies below it; what on_progress raises."""
        reporter = Reporter(on_progress, _SHARES)
        names: dict[str, str] = {}
        with TemporaryDirectory(prefix="happyhorse-") as folder:
            files = _inputs(plan, Path(folder))

            def say() -> None:
                reporter.say("prepare", len(names), len(files) + 1)

            with self._open(plan, say) as remote:
                say()
                for field, file in files.items():
                    names[field] = remote.send(file)
                    say()
                remote_id = remote.create(plan, _sent(names))
        notes = {"remote_id": remote_id, "address": self._forward.address, "sent_at": f"{time.time():.3f}"}
        return Take(plan.engine, plan.weights_hash, notes=notes)

    def render(self, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
        """Wait for the clip of a take and copy it to `output`.

        Raises: RemoteError and what lies below it; Canceled when on_progress raises it; DiskFull.
        """
        remote_id, sent_at = self._order(take, plan)
        reporter = Reporter(on_progress, _SHARES)
        with placed(output) as temporary:
            self._fetch(plan, remote_id, sent_at, temporary, reporter)
            info = self._checked(temporary)
        reporter.say("finish", 1, 1)
        return self._described(plan, info, output, remote_id)

    def _order(self, take: Take, plan: Plan) -> tuple[str, float]:
        """The id of the clip there, and when it was ordered. Raises: EngineError for another engine's or server's take."""
        take.check(engine=plan.engine, weights_hash=plan.weights_hash)
        address = take.notes.get("address", "")
        if address != self._forward.address:
            text = f"the clip was ordered at {address or 'no server'}; this machine forwards to {self._forward.address}"
            raise EngineError(text)
        return take.notes["remote_id"], float(take.notes["sent_at"])

    @contextmanager
    def _open(self, plan: Plan, say: Callable[[], None]) -> Iterator[Dialect]:
        """The server, for one run; `say` is heard while a request has to wait."""
        dialect, address = _DIALECTS[self._forward.dialect], self._forward.address

        def pause(seconds: float) -> None:
            _pause(seconds, say)

        with Wire(address, self._key, dialect.sentence, pause=pause, patience_s=self._patience_s) as wire:
            yield dialect(wire, self._forward.models[plan.mode])

    def _fetch(self, plan: Plan, remote_id: str, sent_at: float, place: Path, reporter: Reporter) -> None:
        waiting = _Waiting(plan.estimated_seconds, reporter)
        with self._open(plan, waiting.say) as remote:
            with _canceled_there(remote, remote_id):
                url = self._followed(remote, remote_id, sent_at, waiting)
            remote.wire.download(url, place, lambda had, total: reporter.say("decode", had, total))

    def _followed(self, remote: Dialect, remote_id: str, sent_at: float, waiting: _Waiting) -> str:
        """Look until the clip is finished; return its link."""
        pause_s = _FIRST_LOOK_S
        while True:
            waiting.say()
            look = remote.look(remote_id)
            if look.url is not None:
                return look.url
            if time.time() - sent_at > self._timeout_s:
                text = f"{self._forward.address} did not finish {remote_id[:64]} within {self._timeout_s:g} s"
                raise RemoteTimeout(text)
            waiting.look = look
            _pause(pause_s, waiting.say)
            pause_s = min(_LOOK_S, 1.3 * pause_s)

    def _checked(self, clip: Path) -> MediaInfo:
        """What is in the file that came. Raises: RemoteError when it is no clip."""
        try:
            return probe(clip, kind="video", field="clip")
        except MediaError as err:
            raise RemoteError(
                f"{self._forward.address} sent something that is not a whole clip: {err.message}"
            ) from err

    def _described(self, plan: Plan, info: MediaInfo, output: Path, remote_id: str) -> Output:
        notes = [
            f"made at {self._forward.address} by {self._forward.models[plan.mode]}, there {remote_id[:64]}"
        ]
        if (info.width, info.height) != (plan.width, plan.height):
            notes.append(
                f"it came as {info.width}x{info.height}; {plan.width}x{plan.height} had been expected"
            )
        if info.has_audio and plan.sound == "remove":
            notes.append("it came with sound, although a silent one had been asked for")
        made = plan.output(output, weights_hash=plan.weights_hash, notes=tuple(notes))
        return replace(
            made,
            width=info.width,
            height=info.height,
            base_width=info.width,
            base_height=info.height,
            duration_s=round(info.duration_s, 3),
            fps=round(info.fps),
            num_frames=info.num_frames,
        )


class _Waiting:
    """Progress while the other server works: by its own word, else by the clock against what was estimated."""

    def __init__(self, estimated_s: float, reporter: Reporter) -> None:
        self.estimated_s, self.reporter = max(1.0, estimated_s), reporter
        self.look = Look(is_running=False)
        self.running_since: float | None = None
        self.percent = 0

    def say(self) -> None:
        self.percent = max(self.percent, int(_PERCENT * self._fraction()))
        self.reporter.say("base", self.percent, _PERCENT)

    def _fraction(self) -> float:
        if self.look.fraction is not None:
            return self.look.fraction
        if not self.look.is_running:
            return 0.0
        now = time.monotonic()
        self.running_since = self.running_since or now
        return min(_MAX_GUESS, (now - self.running_since) / self.estimated_s)


@contextmanager
def _canceled_there(remote: Dialect, remote_id: str) -> Iterator[None]:
    """Pass on that nobody waits any more."""
    try:
        yield
    except (Canceled, KeyboardInterrupt, RemoteTimeout):
        remote.cancel(remote_id)
        raise


def _pause(seconds: float, say: Callable[[], None]) -> None:
    """Wait, and give the caller the word often enough to stop it."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(_SLICE_S, left))
        say()


def _inputs(plan: Plan, folder: Path) -> dict[str, Local]:
    """The files of a plan under the names of their fields."""
    given = {"image": plan.image, "video": plan.video}
    given |= {f"reference-{number}": info for number, info in enumerate(plan.references, start=1)}
    files = {field: _local(field, info) for field, info in given.items() if info is not None}
    if plan.image is not None and plan.ratio != nearest_ratio(plan.image.width, plan.image.height):
        files["image"] = _reframed(plan, plan.image, folder)
    return files


def _local(field: str, info: MediaInfo) -> Local:
    ending, mime = _FORMATS[info.format]
    return Local(f"{field}.{ending}", Path(info.path), mime)


def _reframed(plan: Plan, image: MediaInfo, folder: Path) -> Local:
    """The first frame in the ratio that was asked for, which no field there could say."""
    picture = fit(decode_image(Path(image.path), crop=plan.crop), (plan.width, plan.height))
    place = folder / "image.png"
    Image.fromarray(picture).save(place)
    return Local(place.name, place, "image/png")


def _sent(names: Mapping[str, str]) -> Sent:
    references = tuple(name for field, name in names.items() if field.startswith("reference"))
    return Sent(names.get("image"), references, names.get("video"))
