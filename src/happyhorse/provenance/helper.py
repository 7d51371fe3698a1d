"""The process that signs and reads manifests, and the only caller of the C2PA library. Started by `process.py`, one call each.

It parses files from strangers, so it limits itself first and may not reach the network: no manifest, certificate status or time
stamp is fetched. The call is JSON on standard input, since it may hold a key; the answer is JSON on standard output.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import c2pa

MEMORY_BYTES = 3 << 30
CPU_S = 60
Call = dict[str, Any]


def sign(call: Call) -> Call:
    """Write `source` with a manifest to `target`. An input that the library cannot read is left out of the links."""
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(
            call["algorithm"].encode(), call["certificates"].encode(), call["key"].encode(), None
        )
    )
    builder = c2pa.Builder(call["manifest"], context=_context(None))
    for given in call["inputs"]:
        with Path(given["path"]).open("rb") as file:
            named = {"title": given["name"], "label": given["name"], "relationship": given["relationship"]}
            builder.add_ingredient(named, given["mime"], file)
    with Path(call["source"]).open("rb") as source, Path(call["target"]).open("w+b") as target:
        builder.sign(signer, "video/mp4", source, target)
    return {"signed": True}


def read(call: Call) -> Call:
    """Verify a file's manifest. The answer has the store and the verdict, or neither when there is no manifest."""
    with Path(call["source"]).open("rb") as file:
        reader = c2pa.Reader.try_create(None, file, None, context=_context(call["trust_list"]))
        if reader is None:
            return {"state": None}
        return {"state": reader.get_validation_state(), "store": json.loads(reader.json())}


def _context(trust_list: str | None) -> c2pa.Context:
    settings: Call = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if trust_list is not None:
        settings["trust"] = {"trust_anchors": trust_list}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def limit_self() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    limit_self()
    call = json.load(sys.stdin)
    try:
        answer = {"sign": sign, "read": read}[call["op"]](call)
    except c2pa.C2paError as err:
        answer = {"refused": str(err)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
