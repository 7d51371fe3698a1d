"""One process leads, the others follow: whatever network rank 0 calls, they call as well, each on its own GPU.

So prompts, noise, codecs and files are rank 0's alone, and a command or a worker needs to know nothing of the others.
"""

from collections.abc import Callable, Set
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist

from happyhorse.model.parallel import Call, Ranks
from happyhorse.model.transformer import Transformer

_LOADING = timedelta(
    minutes=30
)  # within a call the processes wait for one another, also while one reads its weights
Load = Callable[[str, str], Transformer]
"""Returns a network by its name, kept as an arrangement has it."""


@cache
def join() -> Ranks | None:
    """Meet the processes that torchrun started with this one; None without torchrun. A process meets them once."""
    if not dist.is_torchelastic_launched():
        return None
    if torch.cuda.is_available():
        torch.cuda.set_device(dist.get_node_local_rank())
        dist.init_process_group("nccl", timeout=_LOADING)
    else:
        dist.init_process_group("gloo", timeout=_LOADING)
    return Ranks()


def leave(ranks: Ranks) -> None:
    """Part with the other processes, rank 0 after it has let them go. After a call that failed they are left as they are."""
    if ranks.rank == 0:
        ranks.end()
    if not ranks.is_calling:
        dist.destroy_process_group()


def lead(model: Transformer, ranks: Ranks, *, network: str, arrangement: str) -> Transformer:
    """Make every call of rank 0's network one that the others follow."""
    model.ranks = ranks
    model.register_forward_pre_hook(lambda _, given: ranks.send(Call(network, arrangement, given[0])))
    model.register_forward_hook(lambda *_: ranks.returned())
    return model


def follow(load: Load, ranks: Ranks, *, kept: Set[str]) -> None:
    """Run rank 0's calls until there are no more; in arrangements of `kept` the networks of a clip, two, stay loaded.

    Raises: as `load`, and as a forward.
    """
    loaded: dict[tuple[str, str], Transformer] = {}
    with torch.inference_mode():
        while (call := ranks.receive()) is not None:
            key = (call.network, call.arrangement)
            if key not in loaded:
                goes_on = call.arrangement in kept and all(name == call.arrangement for _, name in loaded)
                for other in list(loaded)[: -1 if goes_on else None]:
                    del loaded[other]
                loaded[key] = load(*key)
                loaded[key].ranks = ranks
            loaded[key] = loaded.pop(key)  # the last in line is the last to be let go
            loaded[key](call.sequence)
            ranks.returned()
