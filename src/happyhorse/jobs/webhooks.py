"""What a webhook is: where news of a job go (Target), what is told (Message), in which words (Form), and how it is signed.

Each news is a delivery of its own with one id, which stays the same over all tries. It is stored in the transaction that
changes the job (`deliveries.announce`), sent by a thread of any API process (`dispatcher`), at least once, tried again with
backoff for a day. Only `progress` is another matter: at most twice a second, tried once, and not kept in the log. Every body is signed by Standard Webhooks: the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`.

A dialect whose callers name a webhook in the request does three things, and nothing else:

1.  It gives the target to the submitter, which checks the address:

        target = Target(url=body["webhook"], form="replicate", events=("running", *TERMINAL_EVENTS), base_url=here.links.base(request))
        here.service.submitter.submit(fields, caller=who.caller, webhook=target)

    A bad address raises InvalidRequest with the field `webhook_url`; the dialect renames the field.
    `Job.webhook` is the target of a stored job, None without one; a retry has the target of its first job.

2.  It writes one function in its own file, the Form, which makes the body. It runs once for a delivery, in an API process and
    without a request, so absolute links come from the target's base_url:

        def webhook(message: Message, links: Links) -> Mapping[str, object]:
            url = links.signed_from(message.base_url, f"/v1/generations/{message.job.id}/content")
            return from_job(message.job, url)

3.  It adds the function under the form's name to the table in `api/forms.py`.

Who receives it verifies it with `signing_secret(service.secret, default_signer(job.owner))`: one secret for all targets
that an owner names in requests; a dialect that shows it (Replicate's GET /v1/webhooks/default/secret) calls the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from standardwebhooks import Webhook

from happyhorse.errors import InvalidRequest
from happyhorse.jobs.job import Job
from happyhorse.jobs.outbound import Outbound, Refused, Unresolved, shown

EventName = Literal["running", "progress", "succeeded", "failed", "canceled"]
EVENTS: tuple[EventName, ...] = get_args(EventName)
TERMINAL_EVENTS: tuple[EventName, ...] = ("succeeded", "failed", "canceled")
NATIVE = "native"
_KEY_BYTES = 24
_USER_AGENT = "happyhorse"


@dataclass(frozen=True)
class Target:
    """Where the news of one job go.

    `form` names the wire form of the body, a key of the table in `api/forms.py`. `events` are those of EVENTS that are told.
    `base_url` is how the submitter reached this server, as `Links.base(request)` says it.
    """

    url: str
    base_url: str
    form: str = NATIVE
    events: Sequence[EventName] = TERMINAL_EVENTS

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "events": list(self.events)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Target:
        """Of what `to_dict` made."""
        return cls(**{**fields, "events": tuple(fields["events"])})


@dataclass(frozen=True)
class Message:
    """One news, as a Form gets it. `job` is as it was when the body was made; `event` is what the news is about."""

    id: str
    event: EventName
    at: float
    job: Job
    base_url: str


Form = Callable[[Message], Mapping[str, object]]
"""Makes the body of a message, a JSON object."""


def check_target(target: Target, outbound: Outbound, *, field: str = "webhook_url") -> None:
    """Refuse an address that deliveries would not go to. A name that does not resolve now may do so later.

    Raises: InvalidRequest with the field.
    """
    try:
        outbound.check(target.url)
    except Unresolved:
        pass
    except Refused as err:
        raise InvalidRequest(f"{field}: {shown(target.url)} {err}", field=field) from err


def default_signer(owner: str) -> str:
    """The name of the signer of targets that an owner gave with a request; an endpoint's signer is its id."""
    return f"owner:{owner}"


def signing_secret(service_secret: bytes, signer: str, number: int = 1) -> str:
    """`whsec_...`, derived from the server's own secret, so that no other is stored and every API process knows it.

    `number` counts the secrets of one signer, 1 more at each rotation.
    """
    name = signer if number == 1 else f"{signer}\n{number}"
    digest = hmac.new(service_secret, f"webhook\n{name}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest[:_KEY_BYTES]).decode()}"


def encoded(body: Mapping[str, object]) -> str:
    """The body as it is signed and sent, the same in every try."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def signed_headers(secrets: Sequence[str], message_id: str, body: str, *, at: float) -> dict[str, str]:
    """The headers of one try, with a signature by each secret, newest first; a signature covers the try's time."""
    time = datetime.fromtimestamp(int(at), UTC)
    signatures = [Webhook(secret).sign(message_id, time, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(signatures),
    }
