"""In how many bits nano's networks multiply: sixteen where the processor has units for it, thirty-two elsewhere."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch


def quick() -> AbstractContextManager[object]:
    """Return the context in which a float32 network computes as fast as this processor can without its result showing it.

    With bf16 products a clip differs from float32's by far less than its file's compression does.
    """
    return torch.autocast("cpu", torch.bfloat16) if _multiplies_bf16() else nullcontext()


@cache
def _multiplies_bf16() -> bool:
    # Not every torch that we allow can say.
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))
