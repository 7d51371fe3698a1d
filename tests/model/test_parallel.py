"""A forward over several real processes equals one process's, whatever kind of layer, and however rows and heads divide."""

from dataclasses import replace

import pytest
import torch
from ranked import run_ranks
from strategies import TINY, random_sequence, random_transformer

from happyhorse.errors import EngineError
from happyhorse.model.parallel import Call, RowSplit

# Layers of every kind: full and windowed, with a block of weights per modality and without, GELU7 and SwiGLU7.
PLAIN = replace(
    TINY,
    num_layers=5,
    num_heads=8,
    num_kv_heads=4,
    modality_layers=(0, 3, 4),
    gelu7_layers=(0, 1),
    windowed_layers=(1, 3),
    frame_receptive_field=1,
    num_roles=0,
    num_phonemes=0,
)
CONDITIONED = replace(PLAIN, num_roles=4, num_phonemes=8, predicts_clean=True)
FEW_KEYS = replace(PLAIN, num_kv_heads=1)
AWKWARD = replace(PLAIN, num_heads=12, num_kv_heads=6)  # over 4: keys go twice, in shares of 3


def forward(ranks, folder, configs, dtype):
    """Every rank writes the velocity it got for each config."""
    found = []
    for config in configs:
        model = random_transformer(config)
        model.block.to(dtype)
        model.ranks = ranks
        found.append(tuple(model(random_sequence(config, batch=2))))
    torch.save(found, folder / f"{ranks.rank}.pt")


def conduct(ranks, folder, config):
    """Rank 0 calls twice and lets the others go; they run what they receive and write it."""
    model, found = random_transformer(config), []
    model.ranks = ranks
    if ranks.rank == 0:
        for seed in (1, 2):
            sequence = random_sequence(config, seed=seed)
            ranks.send(Call("a", "b", sequence))
            found.append(tuple(model(sequence)))
            ranks.returned()
        ranks.end()
        ranks.is_calling = True
        with pytest.raises(EngineError, match="2 processes were inside it; they must be started again"):
            ranks.send(Call("a", "b", sequence))
    else:
        while call := ranks.receive():
            assert (call.network, call.arrangement) == ("a", "b")
            found.append(tuple(model(call.sequence)))
    torch.save(found, folder / f"{ranks.rank}.pt")


def refuse(ranks, folder, config):
    """Write why it does not go."""
    model = random_transformer(config)
    model.ranks = ranks
    try:
        model(random_sequence(config))
    except ValueError as err:
        (folder / f"{ranks.rank}.txt").write_text(str(err))


def alone(config, dtype=torch.float32):
    model = random_transformer(config)
    model.block.to(dtype)
    with torch.inference_mode():
        return model(random_sequence(config, batch=2))


def worst(folder, rank, expected):
    found = torch.load(folder / f"{rank}.pt")
    assert len(found) == len(expected)
    return max(
        float((a - b).abs().max())
        for mine, theirs in zip(found, expected, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


def check(count, folder, configs):
    run_ranks(forward, count, folder, configs, torch.float32)
    expected = [alone(config) for config in configs]
    assert min(float(velocity.video.std()) for velocity in expected) > 0.1
    assert max(worst(folder, rank, expected) for rank in range(count)) < 1e-5


def test_two_processes_equal_one(tmp_path):
    assert sum(random_sequence(PLAIN).sizes) % 2 == 0
    check(2, tmp_path, [PLAIN, FEW_KEYS])


def test_four_processes_equal_one_where_rows_and_key_heads_do_not_divide(tmp_path):
    assert sum(random_sequence(PLAIN).sizes) % 4 == 0
    assert sum(random_sequence(CONDITIONED).sizes) % 4 != 0
    check(4, tmp_path, [PLAIN, CONDITIONED, FEW_KEYS, AWKWARD])


def test_published_precision_stays_what_it_is(tmp_path):
    run_ranks(forward, 2, tmp_path, [PLAIN], torch.bfloat16)
    expected = alone(PLAIN, torch.bfloat16)
    assert worst(tmp_path, 1, [expected]) < 0.02 * float(expected.video.std())


def test_the_others_follow_the_calls_of_rank_0_until_there_are_no_more(tmp_path):
    run_ranks(conduct, 2, tmp_path, PLAIN)
    model = random_transformer(PLAIN)
    with torch.inference_mode():
        expected = [model(random_sequence(PLAIN, seed=seed)) for seed in (1, 2)]
    assert worst(tmp_path, 0, expected) < 1e-5
    assert worst(tmp_path, 1, expected) < 1e-5


def test_heads_that_do_not_divide_are_refused(tmp_path):
    run_ranks(refuse, 2, tmp_path, replace(PLAIN, num_heads=3, num_kv_heads=3))
    assert (tmp_path / "1.txt").read_text() == "3 heads cannot be shared by 2 processes"


@pytest.mark.parametrize("sizes", [(8, 3, 2), (5, 1, 1), (1, 1, 1), (0, 7, 2)])
@pytest.mark.parametrize("count", [2, 4])
def test_every_row_lies_on_one_rank_and_under_its_modality(sizes, count):
    kinds = [kind for kind, size in enumerate(sizes) for _ in range(size)]
    rows = torch.arange(1.0, len(kinds) + 1)[None, :, None]
    seen = []
    for rank in range(count):
        split = RowSplit(rank, count, sizes)
        own = split.share(rows)[0, :, 0]
        assert len(own) == sum(split.sizes) == split.share_rows
        for row, kind in zip(
            own.tolist(), [kind for kind, size in enumerate(split.sizes) for _ in range(size)], strict=True
        ):
            if row:
                seen.append(row)
                assert kinds[int(row) - 1] == kind
    assert seen == rows.flatten().tolist()
