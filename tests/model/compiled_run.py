"""A process that runs a small network plainly and with what was asked for, and says how they differ and what was compiled.

On a CPU or a GPU. Of its own, as the checks that tests put around functions cannot be compiled, and as what is kept on disk is for another process.
"""

import json
import sys
from dataclasses import replace
from datetime import timedelta
from functools import partial
from tempfile import TemporaryDirectory

import ranked
import torch
from measured import gpu_peak_bytes, peak_bytes
from torch import Tensor

from happyhorse.bench.magihuman import BENCH_PRESETS
from happyhorse.engines.footprint import activation_bytes
from happyhorse.model import transformer
from happyhorse.model.fp8_products import multiply_in_fp8
from happyhorse.model.pack import PackedSequence, pack
from happyhorse.model.parallel import Ranks
from happyhorse.model.random_weights import open_random
from happyhorse.model.slices import slice_mlps
from happyhorse.model.speedups import PLAIN, Speedups
from happyhorse.model.stream import Slots, load_on_host, stream_blocks
from happyhorse.model.transformer import Transformer

CPU = torch.device("cpu")
TWO_PROCESSES = "over two processes"
# Every kind of layer: three blocks of weights and one, GELU7 and SwiGLU7, windowed and not.
CONFIG = replace(
    BENCH_PRESETS["tiny"].config,
    num_layers=5,
    modality_layers=(0, 4),
    windowed_layers=(1, 4),
    frame_receptive_field=1,
)
LONG = (7, 32, 32, 17, 41)
SIZES = ((3, 4, 6, 9, 5), (3, 4, 6, 9, 8), (5, 8, 6, 17, 41))
WAYS = {
    "resident": {},
    "streamed fp8, sliced": {"streamed": True, "fp8": True, "rows_at_once": 30},
    "fp8 products": {"fp8": True, "products": True},
    "streamed fp8 products": {"streamed": True, "fp8": True, "products": True},
    TWO_PROCESSES: {},
}


def sequence(
    frames: int, height: int, width: int, num_audio: int, num_text: int, *, device: torch.device
) -> PackedSequence:
    generator = torch.Generator().manual_seed(num_text)
    shapes = {
        "video": (1, CONFIG.latent_channels, frames, height, width),
        "audio": (1, num_audio, CONFIG.audio_channels),
        "text": (1, num_text, CONFIG.text_channels),
    }
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return pack(CONFIG, **{name: tensor.to(device) for name, tensor in drawn.items()})


def network(
    values: dict[str, Tensor],
    speedups: Speedups,
    *,
    device: torch.device,
    rows_at_once: int = 10_000,
    streamed: bool = False,
    fp8: bool = False,
    products: bool = False,
) -> Transformer:
    """As `engines.magihuman_arrange` makes one."""
    model, _ = open_random(CONFIG, device=CPU, fp8=fp8)
    if streamed:
        load_on_host(model, values.items(), device=device, pinned=device.type == "cuda")
    else:
        model.load_state_dict({name: tensor.to(device) for name, tensor in values.items()}, assign=True)
    slice_mlps(model, rows_at_once)
    if products:
        multiply_in_fp8(model, streamed=streamed)
    speedups.apply(model)
    if streamed:
        stream_blocks(model, Slots.of(model, device))
    return model.eval()


def main(names: str, way: str, device_name: str) -> None:
    torch.manual_seed(0)
    device, speedups = torch.device(device_name), Speedups.named(names.split(","), field="speedups")
    options = {"device": device, **WAYS[way]}
    # What a way keeps is dynamo's matter, and torch writes C++ for a minute: on a CPU it does so for one of them.
    backend = "inductor" if way == "resident" or device.type == "cuda" else "aot_eager"
    values = dict(open_random(CONFIG, device=CPU, fp8=options.get("fp8", False))[1])
    with torch.inference_mode():
        expected = passes(network(values, PLAIN, **{**options, "products": False}), device)
        plain_error = error(expected, passes(network(values, PLAIN, **options), device))
        assert all(float(tensor.std()) > 0.3 for tensor in expected)
        if way != TWO_PROCESSES:
            compare(None, None, network(values, speedups, **options), expected, plain_error, backend)
            return
    ranked.PATIENCE = timedelta(minutes=20)
    with TemporaryDirectory() as folder:
        ranked.run_ranks(
            compare, 2, folder, network(values, speedups, **options), expected, plain_error, backend
        )


def compare(
    ranks: Ranks | None,
    _folder: str | None,
    fast: Transformer,
    expected: list[Tensor],
    plain_error: float,
    backend: str,
) -> None:
    """Say it in JSON, of several processes in the first."""
    torch.compile = partial(torch.compile, backend=backend)
    fast.ranks = ranks
    device = expected[0].device
    found = passes(fast, device)
    if ranks is not None and ranks.rank:
        return
    counted = torch._dynamo.utils.counters
    about = {
        "error": error(expected, found),
        "peak": 0 if ranks else peak_of(fast, device),
        "planned": activation_bytes(CONFIG, sum(sequence(*LONG, device=device).sizes)),
        "plain_error": plain_error,
        "graphs": counted["stats"]["unique_graphs"],
        "found": counted["inductor"]["fxgraph_cache_hit"],
        "compiled": counted["inductor"]["fxgraph_cache_miss"],
    }
    sys.stdout.write(json.dumps(about))
    sys.stdout.flush()


def passes(model: Transformer, device: torch.device) -> list[Tensor]:
    """Video and audio at every size."""
    return [tensor for size in SIZES for tensor in model(sequence(*size, device=device))]


def peak_of(fast: Transformer, device: torch.device) -> int:
    """What a pass over a sequence long enough to outweigh what copies of weights take holds at most."""
    transformer.SCORES_IN_CACHE = 0  # on a CPU too the fused attention
    given = sequence(*LONG, device=device)
    if device.type == "cpu":
        return peak_bytes(lambda: fast(given))
    fast(given)  # what is kept from the first run on does not count
    before = torch.cuda.memory_allocated()
    return gpu_peak_bytes(lambda: fast(given)) - before


def error(expected: list[Tensor], found: list[Tensor]) -> float:
    """Root mean square, of that of what is expected, where it is largest."""
    pairs = zip(expected, found, strict=True)
    return max(float((one - other).square().mean().sqrt() / one.std()) for one, other in pairs)


if __name__ == "__main__":
    main(*sys.argv[1:])
