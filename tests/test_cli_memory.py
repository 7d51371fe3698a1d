"""`generate --plan` shows the 15 B engine's memory before anything is loaded: for the GPU here, one of a given size, or usual ones."""

import json
import math
import wave
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from happyhorse.cli.app import main
from happyhorse.engines.footprint import CONTEXT_BYTES, GB, network_bytes
from happyhorse.hub.parts import find_parts
from happyhorse.hub.store import WeightStore
from happyhorse.model.fp8 import blank_network
from happyhorse.model.release import NETWORKS

WANTED = ("generate", "A cat sits.", "--engine", "magihuman", "--seed", "1", "--plan")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command in this process, where nothing is installed: its exit code, stdout and stderr."""
    monkeypatch.setenv("HAPPYHORSE_WEIGHTS_DIR", str(tmp_path))

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([*WANTED, *arguments])
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return call


@pytest.fixture
def gpu(monkeypatch):
    """Have torch find a GPU with so many GB free of so many."""

    def found(free_gb, total_gb, *, capability=(9, 0)):
        figures = {
            "is_available": True,
            "current_device": 0,
            "get_device_name": "Card",
            "get_device_capability": capability,
            "mem_get_info": (free_gb * GB - 1, total_gb * GB),
            "memory_reserved": 1,
        }
        for name, value in figures.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)

    return found


def cards(result):
    code, out, err = result
    assert code == 0, err
    return json.loads(out)["gpus"]


@pytest.mark.parametrize(
    ("resolution", "size", "name", "strips"),
    [("480P", "24GB", "swapped fp8", 1), ("1080P", "48 gb", "fp8", 4), ("1080P", "16", "streamed", 6)],
)
def test_each_stage_is_shown_for_a_card_of_a_given_size(run, resolution, size, name, strips):
    (card,) = cards(run("--resolution", resolution, "--gpu", size, "--json"))
    assert (card["fits"], card["arrangement"], card["strips"]) == (True, name, strips)
    assert [stage["stage"] for stage in card["stages"]] == ["text", "base", "refine", "decode"]
    for stage in card["stages"]:
        assert stage["total_bytes"] == stage["weights_bytes"] + stage["activation_bytes"]
    largest = max(stage["total_bytes"] for stage in card["stages"])
    assert card["peak_bytes"] == largest + CONTEXT_BYTES <= card["free_bytes"] == int(size[:2]) * GB
    on_host = {stage["stage"] for stage in card["stages"] if stage["host_bytes"]}
    assert on_host == ({"text", "base", "refine"} if name == "streamed" else {"text"})


def test_a_person_reads_what_is_held_where(run):
    code, out, _ = run("--resolution", "1080P", "--gpu", "16GB")
    assert code == 0
    for part in (
        "16 GB: streamed, pictures in 6 strips, at most 15.9 of 16.0 GB free",
        "networks in bf16, in host memory, two layers at a time on the GPU; text encoder on the CPU",
        "refine       weights   3.4, activations  7.7, in all  11.2 GB; 30.6 GB of weights in host memory",
    ):
        assert part in out
    assert "\nmemory" not in out


def test_without_a_gpu_usual_cards_are_shown(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    shown = cards(run("--draft", "--json"))
    assert [(card["gpu"], card["fits"]) for card in shown] == [
        (f"{size} GB", True) for size in (16, 24, 48, 80)
    ]
    assert [card["arrangement"] for card in shown] == ["streamed", "fp8", "lean encoder", "resident"]
    assert "none is here; on cards of usual sizes" in run("--draft")[1]


def test_usual_cards_that_are_too_small_say_so_beside_the_others(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    longest = ("--resolution", "1080P", "--duration", "15")
    shown = cards(run(*longest, "--json"))
    assert [card["fits"] for card in shown] == [False, False, True, True]
    assert "magihuman needs" in shown[0]["message"]
    assert "16 GB: does not fit; magihuman needs" in run(*longest)[1]


def test_the_gpu_that_is_here_is_planned_for_as_it_is(run, gpu, monkeypatch):
    gpu(24, 80)
    (card,) = cards(run("--draft", "--json"))
    assert (card["gpu"], card["free_bytes"], card["arrangement"]) == ("Card", 24 * GB, "fp8")
    monkeypatch.setenv("HAPPYHORSE_SPEEDUPS", "graphs")
    (recorded,) = cards(run("--draft", "--json"))
    assert recorded["peak_bytes"] > card["peak_bytes"]
    monkeypatch.setenv("HAPPYHORSE_FP8", "1")
    gpu(139, 141)
    (small,) = cards(run("--draft", "--json"))
    assert small["arrangement"] == "resident fp8"


def test_processes_of_torchrun_share_a_card_of_a_given_size_too(run, monkeypatch):
    (alone,) = cards(run("--resolution", "1080P", "--gpu", "80GB", "--json"))
    monkeypatch.setattr("happyhorse.model.follow.join", lambda: SimpleNamespace(count=4))
    (shared,) = cards(run("--resolution", "1080P", "--gpu", "80GB", "--json"))
    assert shared["stages"][-2]["activation_bytes"] < alone["stages"][-2]["activation_bytes"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cards(run("--resolution", "1080P", "--json"))[-1]["stages"] == shared["stages"]


def test_a_plan_says_what_a_voice_does(run, tmp_path):
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.random.default_rng(0).integers(-9000, 9000, 32_000, dtype="<i2").tobytes())
    asked = ("--voice", str(tmp_path / "voice.wav"), "--gpu", "80GB")
    assert "the voice track of 2.0 s, which moves the lips" in run(*asked)[1]
    assert "none; the voice track of 2.0 s moves the lips" in run(*asked, "--no-audio")[1]


TYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3"}
MATRIX = "block.layers.0.attention.linear_qkv.weight"


def link_blank(folder, name, *, fp8=False, shapes=None):
    """Link a file that has the header of a published network and no values: nothing but holes, which take no room on disk."""
    tensors = blank_network(NETWORKS[name].config, fp8=fp8).state_dict()
    path, header, end = folder / f"my-{name}" / "model.safetensors", {}, 0
    for key, tensor in tensors.items():
        shape = (shapes or {}).get(key, list(tensor.shape))
        begin, end = end, end + math.prod(shape) * tensor.dtype.itemsize
        stored = key.replace(".scale", ".weight_scale")
        header[stored] = {"dtype": TYPES[tensor.dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    store, (part,) = WeightStore(folder / "magihuman"), find_parts("magihuman", [name])
    if not store.folder(part).exists():
        store.link(part, path.parent)
    return path


def test_networks_that_are_here_are_counted_as_they_will_be_loaded(run, tmp_path):
    (published,) = cards(run("--resolution", "480P", "--gpu", "141GB", "--json"))
    path = link_blank(tmp_path, "distill", fp8=True)
    (draft,) = cards(run("--draft", "--gpu", "24GB", "--json"))
    assert draft["arrangement"] == "lean encoder"
    assert draft["meaning"].startswith("networks in eight bits,")
    (mixed,) = cards(run("--resolution", "480P", "--gpu", "141GB", "--json"))
    assert (mixed["arrangement"], published["arrangement"]) == ("resident", "resident")
    assert mixed["meaning"].startswith("networks in bf16 (distill in eight bits, as stored),")
    config = NETWORKS["distill"].config
    saved = network_bytes(config, fp8=False) - network_bytes(config, fp8=True)
    assert published["peak_bytes"] - mixed["peak_bytes"] == saved
    link_blank(tmp_path, "distill")
    assert cards(run("--resolution", "480P", "--gpu", "141GB", "--json")) == [published]
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    code, _, err = run("--draft", "--gpu", "24GB")
    assert code != 0
    assert "model.safetensors is not a complete safetensors file" in err


def test_a_network_of_another_shape_is_refused_before_any_pass(run, tmp_path):
    link_blank(tmp_path, "distill")
    link_blank(tmp_path, "540p_sr", shapes={MATRIX: [10240, 5120]})
    assert run("--draft", "--gpu", "141GB")[0] == 0
    code, _, err = run("--resolution", "480P", "--gpu", "141GB")
    assert code == 1
    assert f"{MATRIX} has the shape (10240, 5120); this model needs" in err


def test_what_does_not_fit_is_refused_with_figures(run, gpu):
    code, out, err = run("--resolution", "1080P", "--gpu", "8GB")
    assert (code, out) == (1, "")
    assert "magihuman needs" in err
    assert "GB are free" in err
    gpu(8, 80)
    code, out, _ = run("--resolution", "1080P", "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (1, "out_of_memory")
    assert error["message"].endswith("8.0 GB are free of 80.0; other processes hold the rest")
    gpu(24, 24, capability=(7, 5))
    assert "Card has 7.5" in run("--draft")[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gpu", "huge"), "--gpu must be a size from 1GB to 1000GB, such as 24GB; got 'huge'"),
        (("--gpu", "0.5GB"), "got '0.5GB'"),
        (("--gpu", "24MB"), "got '24MB'"),
        (("--gpu", ""), "got ''"),
        (("--gpu", "24GB", "--server", "http://127.0.0.1:9"), "it needs --plan and no --server"),
        (("--gpu", "24GB", "--engine", "testcard"), "--gpu is for engines magihuman and magihuman-base"),
    ],
)
def test_a_card_that_cannot_be_planned_for_is_refused(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_card_is_for_a_plan_alone(capsys):
    with pytest.raises(SystemExit) as stop:
        main([*WANTED[:-1], "--gpu", "24GB"])
    assert stop.value.code == 2
    assert "--gpu is for a plan made here: it needs --plan" in capsys.readouterr().err
