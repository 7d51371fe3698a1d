"""The network against its plain twin, its published size and its published cost."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from strategies import TINY, dimensions, random_sequence, random_transformer
from torch.utils.flop_counter import FlopCounterMode

from happyhorse.model.bench import bench_forward
from happyhorse.model.config import PRESETS, ModelConfig
from happyhorse.model.pack import Latents, PackedSequence
from happyhorse.model.reference import reference_forward, window_mask
from happyhorse.model.transformer import Transformer, attend, attend_plainly, attend_windowed
from happyhorse.shapes import LatentShape


@settings(max_examples=15, deadline=None)
@given(dims=dimensions(), frames=st.integers(2, 4), num_audio=st.integers(2, 6), num_text=st.integers(2, 4))
def test_it_equals_the_plain_reference(
    dims: dict[str, object], frames: int, num_audio: int, num_text: int
) -> None:
    config = ModelConfig.from_dict(dims)
    model = random_transformer(config)
    sequence = random_sequence(config, batch=2, frames=frames, num_audio=num_audio, num_text=num_text)
    with torch.inference_mode():
        ours, plain = model(sequence), reference_forward(config, model.state_dict(), sequence)
    torch.testing.assert_close(ours.video, plain.video, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(ours.audio, plain.audio, atol=2e-4, rtol=1e-4)


def test_a_batch_equals_its_samples_one_by_one() -> None:
    model, both = random_transformer(TINY), random_sequence(TINY, batch=2)
    with torch.inference_mode():
        together = model(both)
        for b in range(2):
            alone = model(_sample(both, b))
            torch.testing.assert_close(together.video[b : b + 1], alone.video, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(together.audio[b : b + 1], alone.audio, atol=1e-5, rtol=1e-5)


def test_published_size_has_331_tensors_and_their_count() -> None:
    with torch.device("meta"):
        state = Transformer(PRESETS["15b"]).state_dict()
    assert len(state) == 331
    assert sum(tensor.numel() for tensor in state.values()) == 15_299_419_152
    assert state["block.layers.3.attention.linear_qkv.weight"].shape == (21624, 5120)
    assert state["block.layers.39.mlp.up_gate_proj.weight"].shape == (81912, 5120)
    assert state["adapter.rope.bands"].shape == (16,)


WINDOWED = tuple(i for i in range(40) if i >= 32 or i % 4 != 3)


@pytest.mark.parametrize(
    ("grid", "windowed", "tera_flop"),
    [
        (LatentShape(32, 16, 28), (), 110),
        (LatentShape(32, 32, 56), (), 516),
        (LatentShape(32, 68, 120), WINDOWED, 3869),
        (LatentShape(32, 68, 120), (), 5015),
    ],
)
def test_a_forward_costs_what_the_specification_says(
    grid: LatentShape, windowed: tuple[int, ...], tera_flop: int
) -> None:
    values = PRESETS["15b"].to_dict() | {"windowed_layers": list(windowed)}
    config = ModelConfig.from_dict(values)
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        sequence = PackedSequence(
            video=torch.empty(1, grid.num_tokens, 192),
            audio=torch.empty(1, 126, 64),
            text=torch.empty(1, 640, 3584),
            positions=torch.empty(1, grid.num_tokens + 766, 3),
            grid=grid,
        )
        Transformer(config)(sequence)
    assert counter.get_total_flops() / 1e12 == pytest.approx(tera_flop, rel=0.01)


def test_windowed_attention_is_one_softmax_under_a_mask() -> None:
    torch.manual_seed(0)
    grid = LatentShape(5, 4, 2)
    q, k, v = torch.randn(2, 4, 17, 8), torch.randn(2, 2, 17, 8), torch.randn(2, 2, 17, 8)
    mask = window_mask(grid, num_rows=17, window=1)
    masked = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(attend_windowed(q, k, v, grid=grid, window=1), masked)


@pytest.mark.parametrize("autocast", [False, True])
def test_attention_by_products_equals_the_fused_kernel(autocast: bool) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 4, 17, 8), torch.randn(3, 2, 17, 8), torch.randn(3, 2, 17, 8)
    fused = attend(q, k, v)
    torch.testing.assert_close(attend_plainly(q, k, v), fused)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        rounded = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), fused, atol=0.03, rtol=0.03)


def test_autocast_keeps_the_residual_in_float32_and_comes_close() -> None:
    model, sequence = random_transformer(TINY), random_sequence(TINY)
    residuals = []
    model.block.register_forward_hook(lambda _module, _args, rows: residuals.append(rows.dtype))
    with torch.inference_mode():
        exact = model(sequence)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = model(sequence)
    assert residuals == [torch.float32] * 2
    assert rounded.video.dtype == torch.float32
    assert (rounded.video - exact.video).abs().mean() < 0.05 * exact.video.std()


def test_every_weight_learns() -> None:
    model = random_transformer(TINY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        velocity = model(random_sequence(TINY, batch=2))
    (velocity.video.square().mean() + velocity.audio.square().mean()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


def test_a_fresh_network_starts_at_zero_velocity_and_can_leave_it() -> None:
    torch.manual_seed(0)
    model = Transformer(TINY)
    velocity = model(random_sequence(TINY))
    assert not velocity.video.any()
    (velocity.video.sum() + velocity.audio.sum()).backward()
    assert model.final_linear_video.weight.grad is not None
    assert float(model.final_linear_video.weight.grad.abs().max()) > 0


def test_conditions_reach_the_output() -> None:
    model, sequence = random_transformer(TINY), random_sequence(TINY)
    assert sequence.roles is not None
    other_roles, later = sequence.roles.clone(), sequence.positions.clone()
    other_roles[-1] = 3
    later[:, -1, 0] += 2
    with torch.inference_mode():
        full = model(sequence)
        changed = [
            model(random_sequence(TINY, conditions=False)),
            model(replace(sequence, roles=other_roles)),
            model(replace(sequence, positions=later)),
        ]
    for other in changed:
        assert full.video.shape == other.video.shape
        assert (full.video - other.video).abs().max() > 1e-4


@pytest.mark.slow
def test_ours_is_not_slower_than_the_reference() -> None:
    assert all(timing.ratio > 1 for timing in bench_forward())


def _sample(sequence: PackedSequence, b: int) -> PackedSequence:
    phonemes = sequence.phonemes
    assert phonemes is not None
    one = type(phonemes)(
        phonemes.ids[b : b + 1], phonemes.starts[b : b + 1], phonemes.log_durations[b : b + 1]
    )
    rows = (sequence.video, sequence.audio, sequence.text, sequence.positions)
    first = None if sequence.first_frame is None else sequence.first_frame[b : b + 1]
    return PackedSequence(*(x[b : b + 1] for x in rows), sequence.grid, sequence.roles, one, first)


def test_video_and_audio_come_back_on_their_grids() -> None:
    sequence = random_sequence(TINY, batch=2)
    velocity = random_transformer(TINY)(sequence)
    assert isinstance(velocity, Latents)
    assert velocity.video.shape == (2, 4, 4, 4, 2)
    assert velocity.audio.shape == (2, 5, 6)


@pytest.mark.parametrize(("heads", "channels"), [(2, 64), (3, 20)])
def test_attention_is_given_rows_that_kernels_can_copy(
    heads: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Queries, values and gates of one row lie side by side.
    rows = torch.randn(1, 7, 2 * heads * channels + heads)
    q, v, _ = rows.split([heads * channels, heads * channels, heads], dim=-1)
    q, v = (x.unflatten(-1, (heads, channels)).transpose(1, 2) for x in (q.contiguous(), v))
    given, plain = [], torch.nn.functional.scaled_dot_product_attention

    def spy(*tensors: torch.Tensor, **options: bool) -> torch.Tensor:
        given.extend(tensors)
        return plain(*tensors, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    torch.testing.assert_close(attend(q, q, v), attend_plainly(q, q, v))
    assert all(step * 4 % 16 == 0 for tensor in given for step in tensor.stride()[:-1])
