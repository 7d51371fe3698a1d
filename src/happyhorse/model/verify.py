"""Holds our network, samplers and codecs against golden vectors: what `happyhorse verify goldens DIR` runs."""

import json
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from happyhorse.errors import HappyHorseError, Unsupported
from happyhorse.model import goldens_codecs, goldens_network
from happyhorse.model.extras import installed
from happyhorse.model.goldens import Case, Check, Problem, weights_of

Runner = Callable[[Case], Iterator[Check]]

_MARKS: Mapping[str, Runner] = {
    "sampler": goldens_network.check_trajectory,
    "out_video_fp32": goldens_network.check_forward,
    "out_video_bf16": goldens_network.check_forward,
    "sr_alpha_table": goldens_network.check_schedules,
    "decoder_block_out_channels": goldens_codecs.check_turbo_vae,
    "dec_dim": goldens_codecs.check_wan_vae,
    "waveform": goldens_codecs.check_oobleck,
    "enc_waveform": goldens_codecs.check_oobleck,
    "imgprep_rgb_u8": goldens_codecs.check_processing,
    "crop0": goldens_codecs.check_processing,
    "overlap_merged": goldens_codecs.check_processing,
    "video_u8": goldens_codecs.check_processing,
}
"""What only one kind of case has, as a field of its config or as a tensor -> what is run on it."""
_PREFIXES: Mapping[str, Runner] = {
    "dit_": goldens_network.check_forward,
    "sampler_": goldens_network.check_trajectory,
    "schedules": goldens_network.check_schedules,
    "turbo_vae": goldens_codecs.check_turbo_vae,
    "wan22_vae": goldens_codecs.check_wan_vae,
    "oobleck": goldens_codecs.check_oobleck,
    "misc_": goldens_codecs.check_processing,
}
"""First letters of a file's name -> what is run on a file without such a mark, which then says what it lacks."""
_NEED_DIFFUSERS = (goldens_codecs.check_wan_vae, goldens_codecs.check_oobleck)


@dataclass(frozen=True)
class Report:
    """The result of a folder: every comparison, what could not be run, and what was left alone."""

    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    not_covered: tuple[str, ...]

    @property
    def failures(self) -> tuple[Check | Problem, ...]:
        return (*self.problems, *(check for check in self.checks if not check.passed))

    @property
    def passed(self) -> bool:
        """Whether something was covered and nothing failed."""
        return bool(self.checks) and not self.failures


def verify_goldens(folder: Path, on_result: Callable[[Check | Problem], None] | None = None) -> Report:
    """Run every case in a folder, in float32 and in the published dtype policy; call `on_result` as results arrive."""
    results: list[Check | Problem] = []
    not_covered: list[str] = []
    paths = sorted(folder.glob("*.safetensors"))
    looks = {path: _look(path) for path in paths}
    weights = {weights_of(config) for config, _ in looks.values()}
    used: set[str] = set()
    for path, (config, tensors) in looks.items():
        is_weights = path.stem in weights or path.stem.endswith("_weights")
        run = None if is_weights else _runner_of(path.stem, config.keys() | tensors)
        if run is None:
            continue
        used |= {path.stem, weights_of(config)}
        if run in _NEED_DIFFUSERS and not installed("diffusers"):
            not_covered.append(f"{path.name} (needs diffusers: pip install 'happyhorse[gpu]')")
            continue
        for result in _run_case(path, run, not_covered):
            results.append(result)
            if on_result is not None:
                on_result(result)
    return Report(
        tuple(result for result in results if isinstance(result, Check)),
        tuple(result for result in results if isinstance(result, Problem)),
        (*(path.name for path in paths if path.stem not in used), *not_covered),
    )


def _run_case(path: Path, run: Runner, not_covered: list[str]) -> Iterator[Check | Problem]:
    try:
        case = Case.read(path)
        found = 0
        for check in run(case):
            found += 1
            yield check
        if not found:
            raise Unsupported("it holds nothing to compare")
        not_covered.extend(f"{path.stem}: {name}" for name in sorted(case.tensors.keys() - case.used))
    except (HappyHorseError, ValueError, RuntimeError) as err:
        yield Problem(path.stem, str(err))


def _runner_of(stem: str, holds: Set[str]) -> Runner | None:
    """By what is in a file, however it is named; by its name where that says nothing or the file is damaged."""
    by_mark = (run for mark, run in _MARKS.items() if mark in holds)
    by_name = (run for prefix, run in _PREFIXES.items() if stem.startswith(prefix))
    return next(by_mark, None) or next(by_name, None)


def _look(path: Path) -> tuple[Mapping[str, object], Set[str]]:
    """A file's config and the names of its tensors; nothing of a damaged one."""
    try:
        with safe_open(path, framework="np") as opened:
            config = json.loads((opened.metadata() or {}).get("config", "{}"))
            return (config if isinstance(config, dict) else {}), set(opened.keys())
    except (SafetensorError, ValueError, OSError):
        return {}, set()
