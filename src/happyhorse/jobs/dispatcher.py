"""Sends deliveries: one loop per API process that claims what is due, and a few threads that send it.

Nothing is kept in memory that a kill could lose: a delivery is pending in the database until a receiver has answered 2xx or a
day of tries is over. A receiver that is slow holds few of the threads, and so does one owner.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import httpcore

from happyhorse.errors import NotFound
from happyhorse.jobs.deliveries import Delivery, DeliveryStore, State, Try
from happyhorse.jobs.endpoints import EndpointStore
from happyhorse.jobs.outbound import Outbound, Refused
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.webhooks import Form, Message, default_signer, encoded, signed_headers, signing_secret

PAUSES_S = (5, 300, 1800, 7200, 18_000, 28_800, 28_800)
"""After the first try, the second and so on; together a little less than a day. When they are used up the delivery is dead."""
TRY_S = 10.0
CLAIM_S = 15.0
"""Longer than a try: what a killed process had claimed is due again after this."""
POLL_S = 0.25
AT_ONCE = 16
AT_ONCE_PER_OWNER = 8
AT_ONCE_PER_URL = 4
_STOP_S = 2.0
_log = logging.getLogger("happyhorse.webhooks")


class _NoBody(Exception):
    """The form could not make a body; the text is its name."""


class Dispatcher:
    """Sends what is due until it is stopped. `forms` makes the bodies; `secret` is the service's, which signers derive from."""

    def __init__(
        self,
        deliveries: DeliveryStore,
        endpoints: EndpointStore,
        jobs: JobStore,
        outbound: Outbound,
        forms: Mapping[str, Form],
        *,
        secret: bytes,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self.deliveries, self.jobs, self.outbound, self.forms = deliveries, jobs, outbound, forms
        self.endpoints, self.secret, self.pauses_s = endpoints, secret, pauses_s
        self._sending: dict[str, Delivery] = {}
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more; what is being sent has a moment to end and is sent again by the next process else."""
        self._stopping.set()
        self._bell.set()
        self._thread.join(_STOP_S)
        end = time.monotonic() + _STOP_S
        while self._sending and time.monotonic() < end:
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._bell.clear()
            try:
                self._claim_due()
            except Exception:
                # No database, no thread: later there may be one, and nothing else would start this again.
                _log.exception("what is due could not be sent")
            self._bell.wait(POLL_S)

    def _claim_due(self) -> None:
        with self._lock:
            busy = list(self._sending.values())
        room = AT_ONCE - len(busy)
        if room == 0:
            return
        urls, owners = Counter(one.url for one in busy), Counter(one.owner for one in busy)
        full = [url for url, count in urls.items() if count >= AT_ONCE_PER_URL]
        greedy = [owner for owner, count in owners.items() if count >= AT_ONCE_PER_OWNER]
        for seen in self.deliveries.due(limit=room, not_urls=full, not_owners=greedy):
            if urls[seen.url] >= AT_ONCE_PER_URL or owners[seen.owner] >= AT_ONCE_PER_OWNER:
                continue
            claimed = self.deliveries.claim(seen, seconds=CLAIM_S)
            if claimed is None:
                continue
            urls[seen.url] += 1
            owners[seen.owner] += 1
            thread = threading.Thread(target=self._deliver, args=(claimed,), name=claimed.id, daemon=True)
            with self._lock:  # a sender that is done at once waits here, and finds itself in the list
                thread.start()
                self._sending[claimed.id] = claimed

    def _deliver(self, claimed: Delivery) -> None:
        try:
            self._try(claimed)
        except Exception:  # a claim that is not recorded runs out, and the delivery is tried again
            _log.exception("delivery %s was not recorded", claimed.id)
        finally:
            with self._lock:
                del self._sending[claimed.id]
            self._bell.set()

    def _try(self, claimed: Delivery) -> None:
        started, clock = time.time(), time.monotonic()
        try:
            status, error = self._send(claimed, claimed.body or self._body(claimed))
        except NotFound:
            gone = Try(started, 0.0, error="the generation was deleted before this could be told")
            self.deliveries.record(claimed, gone, state=State.DEAD, due_at=started)
            return
        except _NoBody:
            _log.exception("delivery %s has no body", claimed.id)
            status, error = None, "the server could not make the message"
        if claimed.event == "progress":
            self.deliveries.drop(claimed)
            return
        done = Try(started, round(time.monotonic() - clock, 3), status, error)
        state, pause_s = self._after(claimed, done)
        self.deliveries.record(claimed, done, state=state, due_at=time.time() + pause_s)

    def _body(self, claimed: Delivery) -> str:
        job = self.jobs.get(claimed.job_id, owner=None)
        message = Message(claimed.id, claimed.event, claimed.created_at, job, claimed.base_url)
        try:
            body = encoded(self.forms[claimed.form](message))
        except Exception as err:  # a form that fails must not keep its delivery from ever ending
            raise _NoBody(claimed.form) from err
        self.deliveries.keep_body(claimed, body)
        return body

    def _send(self, claimed: Delivery, body: str) -> tuple[int | None, str | None]:
        """The status that was answered, or why there was none; an answer's content is nobody's business."""
        now = time.time()
        headers = signed_headers(self._secrets(claimed, now), claimed.id, body, at=now)
        end = time.monotonic() + TRY_S
        try:
            with self.outbound.open("POST", claimed.url, headers, end=end, content=body.encode()) as answer:
                return answer.status, None
        except Refused as err:
            return None, f"the address {err}"
        except (httpcore.TimeoutException, TimeoutError):
            return None, f"no answer within {TRY_S:g} s"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return None, "the connection failed"
        except Exception:  # whatever it is, this was a try: the last one ends the delivery
            _log.exception("delivery %s could not be sent", claimed.id)
            return None, "the server could not send it"

    def _secrets(self, claimed: Delivery, now: float) -> Sequence[str]:
        """What signs it now; what is still told to an endpoint that was deleted is signed by its first secret."""
        if claimed.webhook_id is None:
            return [signing_secret(self.secret, default_signer(claimed.owner))]
        try:
            numbers = self.endpoints.get(claimed.webhook_id, owner=None).signing_numbers(now)
        except NotFound:
            numbers = (1,)
        return [signing_secret(self.secret, claimed.webhook_id, number) for number in numbers]

    def _after(self, claimed: Delivery, done: Try) -> tuple[State, float]:
        if done.arrived:
            return State.DELIVERED, 0.0
        if claimed.tries >= len(self.pauses_s):
            return State.DEAD, 0.0
        # A little less at random, so that many that failed together do not come back together.
        return State.PENDING, self.pauses_s[claimed.tries] * random.uniform(0.9, 1.0)
