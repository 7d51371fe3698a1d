"""Streamed blocks: the resident network's values to the last bit, two layers on the device, copies and computing in order."""

import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from strategies import TINY, random_sequence

from happyhorse.model import stream
from happyhorse.model.config import ModelConfig
from happyhorse.model.fp8_products import multiply_in_fp8
from happyhorse.model.random_weights import open_random
from happyhorse.model.slices import slice_mlps
from happyhorse.model.stream import Slots, StreamedBlock, load_on_host, stream_blocks
from happyhorse.model.transformer import Layer, Transformer

CPU = torch.device("cpu")
# Layers of several sizes: with a block of weights per modality and without, GELU7 and SwiGLU7, windowed and not.
PLAIN = replace(
    TINY, num_layers=5, modality_layers=(0, 4), windowed_layers=(1, 3), frame_receptive_field=1, num_roles=0, num_phonemes=0
)  # fmt: skip


Values = dict[str, torch.Tensor]


def streamed_network(
    config: ModelConfig,
    values: Values,
    *,
    fp8: bool = False,
    pinned: bool = False,
    products: bool = False,
    slots: Slots | None = None,
) -> Transformer:
    model, _ = open_random(config, device=CPU, fp8=fp8)
    load_on_host(model, values.items(), device=CPU, pinned=pinned)
    slice_mlps(model, 1000)
    if products:
        multiply_in_fp8(model, streamed=True)
    stream_blocks(model, slots or Slots.of(model, CPU))
    return model


def resident_network(config: ModelConfig, *, fp8: bool = False) -> tuple[Transformer, Values]:
    model, tensors = open_random(config, device=CPU, fp8=fp8)
    values = dict(tensors)
    model.load_state_dict(values, assign=True)
    return model.eval(), values


def resident_and_streamed(config: ModelConfig, *, fp8: bool) -> tuple[Transformer, Transformer]:
    """The same values, kept in both ways."""
    resident, values = resident_network(config, fp8=fp8)
    return resident, streamed_network(config, values, fp8=fp8)


@pytest.mark.parametrize("fp8", [False, True])
@pytest.mark.parametrize("config", [PLAIN, replace(PLAIN, num_layers=4, modality_layers=(0, 3)), TINY])
def test_every_pass_equals_the_resident_networks(config: ModelConfig, fp8: bool) -> None:
    resident, streamed = resident_and_streamed(config, fp8=fp8)
    with torch.inference_mode():
        for seed in range(3):
            sequence = random_sequence(config, seed=seed)
            expected, found = resident(sequence), streamed(sequence)
            assert float(expected.video.std()) > 0.1
            assert torch.equal(found.video, expected.video)
            assert torch.equal(found.audio, expected.audio)


@pytest.mark.parametrize("config", [PLAIN, replace(PLAIN, hidden=72, num_heads=4)])
def test_products_in_eight_bits_equal_the_resident_networks(config: ModelConfig) -> None:
    resident, values = resident_network(config, fp8=True)
    sequences = [random_sequence(config, seed=seed) for seed in range(2)]
    with torch.inference_mode():
        exact = [resident(sequence) for sequence in sequences]
        multiply_in_fp8(resident)
        streamed = streamed_network(config, values, fp8=True, products=True)
        for sequence, in_bf16 in zip(sequences, exact, strict=True):
            expected, found = resident(sequence), streamed(sequence)
            assert torch.equal(found.video, expected.video)
            assert torch.equal(found.audio, expected.audio)
            off = float((found.video - in_bf16.video).square().mean().sqrt() / in_bf16.video.std())
            assert 0 < off < 0.15
    host = streamed.block._weights[2]["mlp.mlp.down_proj.weight"]
    assert host.data_ptr() == values["block.layers.2.mlp.down_proj.weight"].data_ptr()


def test_a_pass_that_failed_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    resident, streamed = resident_and_streamed(PLAIN, fp8=False)
    sequence, run, left = random_sequence(PLAIN), Layer.forward, [3]

    def fail_in_the_fourth(*args: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise torch.OutOfMemoryError
        return run(*args)

    with torch.inference_mode():
        streamed(sequence)
        monkeypatch.setattr(Layer, "forward", fail_in_the_fourth)
        with pytest.raises(torch.OutOfMemoryError):
            streamed(sequence)
        monkeypatch.undo()
        assert torch.equal(streamed(sequence).video, resident(sequence).video)


def test_weights_that_are_streamed_are_where_they_were_given() -> None:
    _, values = resident_network(PLAIN)
    streamed = streamed_network(PLAIN, values)
    assert isinstance(streamed.block, StreamedBlock)
    assert not any(name.startswith("block.") for name in streamed.state_dict())
    host = streamed.block._weights[2]["mlp.mlp.up_gate_proj.weight"]
    assert host.data_ptr() == values["block.layers.2.mlp.up_gate_proj.weight"].data_ptr()


def test_page_locked_weights_are_the_same_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, plain = [], torch.empty

    def without_a_gpu(*size: int, pin_memory: bool = False, **options: object) -> torch.Tensor:
        asked.append(pin_memory)
        return plain(*size, **options)

    monkeypatch.setattr(stream.torch, "empty", without_a_gpu)
    resident, values = resident_network(PLAIN, fp8=True)
    streamed = streamed_network(PLAIN, values, fp8=True, pinned=True)
    monkeypatch.undo()
    assert asked.count(True) == 1
    places = {
        tensor.untyped_storage().data_ptr() for layer in streamed.block._weights for tensor in layer.values()
    }
    assert len(places) == 1
    with torch.inference_mode():
        sequence = random_sequence(PLAIN)
        assert torch.equal(streamed(sequence).video, resident(sequence).video)


def test_weights_stay_in_their_files_where_the_system_locks_no_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU, for which memory is locked")
    resident, values = resident_network(PLAIN)
    streamed = streamed_network(PLAIN, values, pinned=True)  # which torch refuses without a GPU
    assert "weights stay in their files, which is slower: " in caplog.text
    with torch.inference_mode():
        sequence = random_sequence(PLAIN)
        assert torch.equal(streamed(sequence).video, resident(sequence).video)


class _Log:
    """Stands for torch's module of a device: what its streams were told, in the order they were told it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.computing = self.Stream("compute")

    def Stream(self, name: str = "copy") -> SimpleNamespace:  # noqa: N802 - as torch names it
        return SimpleNamespace(name=name, wait_stream=lambda other: self.told.append(f"{name} waits"))

    def current_stream(self) -> SimpleNamespace:
        return self.computing

    def stream(self, chosen: SimpleNamespace) -> torch.cpu.StreamContext:
        self.told.append(f"{chosen.name} works")
        return torch.cpu.stream(torch.cpu.Stream())


def test_a_layer_waits_for_its_copy_and_a_copy_for_the_layer_before(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(PLAIN, num_layers=3, modality_layers=(0,), windowed_layers=())
    log, run = _Log(), Layer.forward
    monkeypatch.setattr(torch, "get_device_module", lambda _: log)

    def layer(*args: object) -> object:
        log.told.append("layer runs")
        return run(*args)

    monkeypatch.setattr(Layer, "forward", layer)
    _, streamed = resident_and_streamed(config, fp8=False)
    log.told.clear()
    with torch.inference_mode():
        streamed(random_sequence(config))
        copied, turn = (
            ["copy waits", "copy works"],
            ["compute waits", "copy waits", "copy works", "layer runs"],
        )
        assert log.told == [*copied, *turn, *turn, *turn]
        log.told.clear()
        streamed(random_sequence(config))
        assert log.told == [*turn, *turn, *turn]


def test_networks_that_take_turns_share_the_slots() -> None:
    sequence = random_sequence(PLAIN)
    slots = Slots.of(open_random(PLAIN, device=CPU, fp8=False)[0], CPU)
    pairs = []
    for _ in range(2):
        resident, values = resident_network(PLAIN)
        pairs.append((resident, streamed_network(PLAIN, values, slots=slots)))
    with torch.inference_mode():
        for index in (0, 1, 1, 0, 0):
            resident, streamed = pairs[index]
            assert torch.equal(streamed(sequence).video, resident(sequence).video)
    gone = weakref.ref(pairs.pop(0)[1].block)
    del resident, streamed
    gc.collect()
    assert gone() is None
