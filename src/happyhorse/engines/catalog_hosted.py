"""What the engine `hosted` can do, as data: the published models behind a DashScope or a Replicate endpoint.

Source: specs/api.md 1.1, 2.2 and 4.2. Which endpoint is the environment's choice; the command line builds the entry from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from happyhorse.engines.base import DEFAULT_PRICES, Capabilities, Cost, Forward
from happyhorse.errors import InvalidRequest
from happyhorse.request import LANGUAGES
from happyhorse.shapes import RESOLUTIONS

FORWARDS: Mapping[str, Forward] = {
    "dashscope": Forward(
        address="https://dashscope-intl.aliyuncs.com",
        dialect="dashscope",
        models={
            "t2v": "happyhorse-1.1-t2v",
            "i2v": "happyhorse-1.1-i2v",
            "r2v": "happyhorse-1.1-r2v",
            "edit": "happyhorse-1.0-video-edit",
        },
    ),
    "replicate": Forward(
        address="https://api.replicate.com",
        dialect="replicate",
        models={
            "t2v": "alibaba/happyhorse-1.1",
            "i2v": "alibaba/happyhorse-1.1",
            "r2v": "alibaba/happyhorse-1.1",
            "edit": "alibaba/happyhorse-1.0-video-edit",
        },
        least_references=2,
        takes_watermark=False,
    ),
}
_API_PATHS = {"dashscope": "/api/v1", "replicate": "/v1"}
"""What SDKs of these services have at the end of their base URL."""

HOSTED = Capabilities(
    engine="hosted",
    weights_id="happyhorse-1.1",
    weights_hash="",
    modes=frozenset({"t2v", "i2v", "r2v", "edit"}),
    languages=frozenset(LANGUAGES),
    resolutions=RESOLUTIONS,
    base_sizes={},
    num_steps=1,
    sampler="none",
    cost=Cost(
        source="what such services usually take, one to three minutes",
        load_s=60.0,
        encode_s_per_mpx=0.2,
        resident_bytes=150_000_000,
    ),
    jobs_at_once=8,  # they only wait
    forward=FORWARDS["dashscope"],
)


def hosted(
    dialect: str, address: str | None = None, prices: Mapping[str, float] | None = None
) -> Capabilities:
    """The entry for one endpoint. `prices`: USD per second by resolution; what it leaves out stays at the default.

    Raises: InvalidRequest.
    """
    if dialect not in FORWARDS:
        raise InvalidRequest(
            f"HAPPYHORSE_HOSTED_DIALECT must be one of {', '.join(FORWARDS)}; got '{dialect[:40]}'"
        )
    unknown = [name for name in prices or {} if name not in RESOLUTIONS]
    if unknown:
        raise InvalidRequest(
            f"HAPPYHORSE_HOSTED_PRICES must name some of {', '.join(RESOLUTIONS)}; got '{unknown[0][:40]}'"
        )
    forward = FORWARDS[dialect]
    if address is not None:
        forward = replace(forward, address=_checked(address).removesuffix(_API_PATHS[dialect]))
    return replace(HOSTED, forward=forward, price_per_second={**DEFAULT_PRICES, **(prices or {})})


def _checked(address: str) -> str:
    allowed = "HAPPYHORSE_HOSTED_URL must be an http or https address without a user name or a query"
    try:
        parts = urlsplit(address)
        is_plain = parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError as err:
        raise InvalidRequest(allowed) from err
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise InvalidRequest(f"{allowed}; got one of scheme '{parts.scheme[:20]}'")
    return address.rstrip("/")
