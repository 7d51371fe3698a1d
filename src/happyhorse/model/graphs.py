"""The passes of one clip as a CUDA graph: recorded once, then replayed without Python, kernel launches and all.

All passes of a clip have one shape and differ in their values alone, so these are copied to where the recorded pass read them.
It pays where a pass is short; at larger sizes a GPU computes for longer than Python takes to ask for it.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from happyhorse.model.pack import Latents, PackedSequence
from happyhorse.model.transformer import Transformer

MAX_ROWS = 8192
"""Longer sequences are not recorded."""
Pass = Callable[[], Latents]
Record = Callable[[Pass], tuple[Callable[[], object], Latents]]
"""Records a pass; returns what runs it again and the latents that it will fill."""


class StepGraph:
    """Stands for a network over the passes of one clip: the first runs as it is, the second is recorded, the others replay it.

    What is recorded holds its memory until this goes, with the clip's last step.
    """

    def __init__(self, model: Transformer, record: Record) -> None:
        self._model, self._record = model, record
        self._given: PackedSequence | None = None
        self._replay: Callable[[], object] | None = None
        self._found: Latents | None = None

    def __call__(self, sequence: PackedSequence) -> Latents:
        if sum(sequence.sizes) > MAX_ROWS:
            return self._model(sequence)
        if self._given is None:  # what compiles, plans and caches at its first run has then done so
            self._given = replace(sequence, video=sequence.video.clone(), audio=sequence.audio.clone())
            return self._model(sequence)
        self._given.video.copy_(sequence.video)
        self._given.audio.copy_(sequence.audio)
        if self._replay is None or self._found is None:
            given = self._given
            self._replay, self._found = self._record(lambda: self._model(given))
        self._replay()
        return Latents(self._found.video.clone(), self._found.audio.clone())


def record_on_gpu(run: Pass) -> tuple[Callable[[], object], Latents]:
    """Record into a CUDA graph, which does not run it yet."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = run()
    return graph.replay, found
