"""One forward pass over several processes: each has all weights and a share of the rows (Ulysses context parallelism).

Linear layers need only a rank's own rows. Attention needs all of them, but head by head: so rows are exchanged for heads
before it and back after it, and every rank mixes all rows of its share of the heads. For inference: gradients do not pass.
Axes: p ranks, b batch, n rows of the sequence, m rows of one rank, h heads, k head width, c channels.
Source: DeepSpeed Ulysses, arXiv:2309.14509.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from happyhorse.errors import EngineError
from happyhorse.model.pack import PackedSequence
from happyhorse.shapes import LatentShape

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
_PATIENCE = timedelta(days=365)  # a follower waits for the next call as long as rank 0 has nothing to do


@dataclass(frozen=True)
class Call:
    """What rank 0 is about to run: a network, how its weights are kept, and on what."""

    network: str
    arrangement: str
    sequence: PackedSequence


class Ranks:
    """The processes of one run. Rank 0 has the command and sends its calls; the others follow it.

    Tensors go over the default group, which must be initialised; words go over a gloo group of their own, whose wait has
    no end: a worker may be idle for days.
    """

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        on_gpu = dist.get_backend() == dist.Backend.NCCL
        self.device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
        self._words = dist.new_group(backend="gloo", timeout=_PATIENCE)
        self.is_calling = False

    def send(self, call: Call) -> None:
        """Tell the others to run the same. Raises: EngineError when the last call never came to its end."""
        if self.is_calling:
            raise EngineError(
                f"a call failed while {self.count} processes were inside it; they must be started again"
            )
        self.is_calling = True
        tensors = _tensors(call.sequence)
        self._say((call.network, call.arrangement, call.sequence.grid, [tuple(t.shape) for t in tensors]))
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    def returned(self) -> None:
        """Note that this process has come out of the call it sent or received."""
        self.is_calling = False

    def receive(self) -> Call | None:
        """Wait for rank 0's next call; None when there will be no more."""
        said = self._say(None)
        if said is None:
            return None
        self.is_calling = True
        network, arrangement, grid, shapes = said
        video, audio, text, positions = (torch.empty(shape, device=self.device) for shape in shapes)
        for tensor in (video, audio, text, positions):
            dist.broadcast(tensor, src=0)
        return Call(network, arrangement, PackedSequence(video, audio, text, positions, grid))

    def end(self) -> None:
        """Let the others go; to be called by rank 0. After a call that failed they cannot hear it."""
        if not self.is_calling:
            self._say(None)

    def _say(
        self, said: tuple[str, str, LatentShape, list[tuple[int, ...]]] | None
    ) -> tuple[str, str, LatentShape, list[tuple[int, ...]]] | None:
        box = [said]
        dist.broadcast_object_list(box, src=0, group=self._words)
        return box[0]


def _tensors(sequence: PackedSequence) -> list[Tensor]:
    """What a network without roles and phonemes is given."""
    assert sequence.roles is None
    assert sequence.phonemes is None
    found = (sequence.video, sequence.audio, sequence.text, sequence.positions)
    return [tensor.float().contiguous() for tensor in found]


class RowSplit:
    """How the rows of one sequence lie over the ranks: equally many each, in order, the last ones padded with zeros.

    Padding counts as text where a modality is asked for, and no row ever attends to it.
    """

    def __init__(self, rank: int, count: int, sizes: tuple[int, int, int]) -> None:
        self.count = count
        self.num_rows = sum(sizes)
        self.share_rows = math.ceil(self.num_rows / count)
        self.padding = self.share_rows * count - self.num_rows
        self.start = rank * self.share_rows
        self.sizes = self._own_sizes(sizes)

    def _own_sizes(self, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
        """Rows of each modality on this rank."""
        ends = (sizes[0], sizes[0] + sizes[1])
        video, sound = (min(max(end - self.start, 0), self.share_rows) for end in ends)
        return video, sound - video, self.share_rows - sound

    def share(self, rows: Float[Tensor, "b n c"]) -> Float[Tensor, "b m c"]:
        """Return the rows of this rank."""
        own = rows[:, self.start : self.start + self.share_rows]
        return F.pad(own, (0, 0, 0, self.share_rows - own.shape[1]))

    def gather(self, rows: Float[Tensor, "b m c"]) -> Float[Tensor, "b n c"]:
        """Return the rows of all ranks, on every rank."""
        found = rows.new_empty(self.count, *rows.shape)
        dist.all_gather_into_tensor(found.flatten(0, 1), rows.contiguous())
        return rearrange(found, "p b m c -> b (p m) c")[:, : self.num_rows]

    def mix(
        self,
        q: Float[Tensor, "b h m k"],
        k: Float[Tensor, "b hk m k"],
        v: Float[Tensor, "b hk m k"],
        attention: Mix,
    ) -> Float[Tensor, "b h m k"]:
        """Run `attention` over all rows, on this rank for its share of the heads; return all heads of this rank's rows.

        Raises: ValueError for query heads that do not divide. Key heads that do not are sent to more than one rank.
        """
        if q.shape[1] % self.count:
            raise ValueError(f"{q.shape[1]} heads cannot be shared by {self.count} processes")
        copies = self.count // math.gcd(k.shape[1], self.count)
        if copies > 1:
            k, v = (x.repeat_interleave(copies, dim=1) for x in (k, v))
        by_rank = [rearrange(x, "b (p h) m k -> p b h m k", p=self.count) for x in (q, k, v)]
        heads = [x.shape[2] for x in by_rank]
        own = rearrange(_exchange(torch.cat(by_rank, dim=2)), "p b h m k -> b h (p m) k")
        mixed = attention(*own[:, :, : self.num_rows].split(heads, dim=1))
        padded = F.pad(mixed, (0, 0, 0, self.padding))
        back = rearrange(padded, "b h (p m) k -> p b h m k", p=self.count)
        return rearrange(_exchange(back), "p b h m k -> b (p h) m k")


def _exchange(by_rank: Float[Tensor, "p b h m k"]) -> Float[Tensor, "p b h m k"]:
    """Give entry i to rank i; return what each rank had for this one."""
    found = torch.empty_like(by_rank, memory_format=torch.contiguous_format)
    dist.all_to_all_single(found, by_rank.contiguous())
    return found
