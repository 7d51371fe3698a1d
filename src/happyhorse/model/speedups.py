"""Ways to the same clip in less time. Each is off unless it is asked for, and the plain way stays beside it.

    compile  what lies between attentions becomes kernels of its own (`compiled.py`)
    flex     windowed layers, those of 1080P, attend in one kernel (`flex.py`)
    graphs   short passes of a network that stays on the GPU are recorded and replayed (`graphs.py`)

Clips are the same but for the order of rounding; compiled layers and flex attention round in their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from happyhorse.errors import InvalidRequest
from happyhorse.model.compiled import compile_layers
from happyhorse.model.flex import use_flex
from happyhorse.model.transformer import Transformer


@dataclass(frozen=True)
class Speedups:
    """Which are on."""

    compile: bool = False
    flex: bool = False
    graphs: bool = False

    @classmethod
    def named(cls, names: Iterable[str], *, field: str) -> "Speedups":
        """Turn on those of these names. Raises: InvalidRequest naming `field` for one that is none."""
        known = [each.name for each in fields(cls)]
        wanted = list(names)
        for name in wanted:
            if name not in known:
                raise InvalidRequest(
                    f"{field} must be some of {', '.join(known)}; got '{name[:40]}'", field=field
                )
        return cls(**dict.fromkeys(wanted, True))

    def __str__(self) -> str:
        return ", ".join(each.name for each in fields(self) if getattr(self, each.name)) or "none"

    def only(self, *, recordable: bool) -> "Speedups":
        """Those that apply: graphs where networks stay on one GPU and no other process takes part."""
        return replace(self, graphs=self.graphs and recordable)

    def apply(self, model: Transformer) -> None:
        """Let a network run so. Its slices and FP8 products are arranged before, its streaming after it."""
        if self.flex:
            use_flex(model)
        if self.compile:
            compile_layers(model)
        model.recorded = self.graphs


PLAIN = Speedups()
