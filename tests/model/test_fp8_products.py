"""Products in eight bits: torch's kernel against plain float32, sizes that need padding, and the error they make."""

from dataclasses import replace

import pytest
import torch
from strategies import TINY, on_device, random_sequence, random_transformer

from happyhorse.model import fp8_products
from happyhorse.model.fp8 import FP8, Fp8Linear, quantize, quantize_blocks
from happyhorse.model.fp8_products import Fp8Product, can_multiply, multiply_in_fp8, product
from happyhorse.model.pack import Latents

CONFIG = replace(
    TINY, num_layers=4, hidden=72, num_heads=4, modality_layers=(0, 3), gelu7_layers=(0,), num_roles=0, num_phonemes=0
)  # fmt: skip


def product_plainly(
    levels: torch.Tensor, row_scale: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """What the kernel does, in float32."""
    return (levels.float() @ weight.float().t() * row_scale[:, None] * scale).to(torch.bfloat16)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where the kernel runs."""
    found = torch.device(request.param)
    if not can_multiply(found):
        pytest.skip("products in FP8 need a GPU of compute capability 9.0 or newer")
    return found


@pytest.mark.parametrize("shape", [(32, 48, 64), (7, 16, 160)])
def test_the_kernel_does_what_plain_arithmetic_does(
    shape: tuple[int, int, int], device: torch.device
) -> None:
    torch.manual_seed(0)
    rows, width_out, width_in = shape
    given = quantize((torch.randn(rows, width_in) * torch.logspace(-2, 2, rows)[:, None]).to(device))
    weight, scale = quantize(torch.randn(width_out, width_in).to(device))
    ours, plain = (run(*given, weight, scale) for run in (product, product_plainly))
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours, plain, rtol=0.01, atol=0.01 * float(plain.float().std()))


@pytest.mark.parametrize("groups", [1, 3])
def test_sizes_that_kernels_do_not_take_are_padded(groups: int, device: torch.device) -> None:
    torch.manual_seed(0)
    linear = Fp8Linear(*quantize(torch.randn(groups * 23, 37).to(device)), groups=groups)
    padded, unpadded = (Fp8Product(linear, padded=padded) for padded in (True, False))
    assert all(size % 16 == 0 for size in (padded.weight.shape[1], padded.weight.shape[0] // groups))
    assert unpadded.weight.data_ptr() == linear.weight.data_ptr()
    x, sizes = torch.randn(2, 9, 37).to(device), (4, 0, 5)  # slices of a sequence may hold none of a modality
    found, expected = padded(x, sizes).float(), linear(x, sizes).float()
    assert found.shape == (2, 9, 23)
    assert float((found - expected).abs().mean()) < 0.04 * float(expected.std())
    assert torch.equal(unpadded(x, sizes).float(), found)


def test_one_scale_of_a_whole_matrix_is_that_of_each_row() -> None:
    torch.manual_seed(0)
    weight = torch.randn(23, 37).to(FP8)
    one, each = (
        Fp8Linear(weight, scale, groups=1) for scale in (torch.full((1,), 0.3), torch.full((23,), 0.3))
    )
    x = torch.randn(1, 5, 37)
    expected = Fp8Product(each, padded=True)(x, (5, 0, 0))
    for padded in (True, False):
        assert torch.equal(Fp8Product(one, padded=padded)(x, (5, 0, 0)), expected)


def error_of(found: Latents, exact: Latents) -> float:
    """Share of the exact velocity's spread."""
    return float((found.video - exact.video).square().mean().sqrt() / exact.video.std())


def test_the_error_is_of_the_order_of_that_of_the_weights_alone(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    sequence = on_device(random_sequence(CONFIG), device)
    with torch.inference_mode():
        exact = random_transformer(CONFIG).to(device)(sequence)
        model = random_transformer(CONFIG).to(device)
        quantize_blocks(model)
        weights_alone = model(sequence)
        multiply_in_fp8(model)
        assert sum(isinstance(module, Fp8Product) for module in model.modules()) == 4 * CONFIG.num_layers
        both = model(sequence)
        monkeypatch.setattr(fp8_products, "product", product_plainly)
        plainly = model(sequence)
    assert error_of(both, plainly) < 0.01
    assert 0.005 < error_of(weights_alone, exact) < error_of(both, exact) < 2 * error_of(weights_alone, exact)
    assert error_of(both, exact) < 0.1


@pytest.mark.parametrize(
    ("capability", "can"), [((8, 0), False), ((8, 9), False), ((9, 0), True), ((12, 0), True)]
)
def test_older_gpus_are_known(
    capability: tuple[int, int], can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert can_multiply(torch.device("cuda")) is can
    assert can_multiply(torch.device("cpu"))
