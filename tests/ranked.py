"""Work that several real processes share: forked, so that they need not import anything anew."""

from datetime import timedelta

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from happyhorse.model.parallel import Ranks

PATIENCE = timedelta(seconds=60)


def run_ranks(work, count, folder, *args):
    """Run `work(ranks, folder, *args)` in `count` processes that have joined over gloo. Raises: what one of them raised."""
    start_processes(_join, (work, count, folder, *args), nprocs=count, start_method="fork")


def _join(rank, work, count, folder, *args):
    torch.set_num_threads(1)
    place = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=count, timeout=PATIENCE)
    with torch.inference_mode():
        work(Ranks(), folder, *args)
    dist.destroy_process_group()
