"""Holds our network, samplers and codecs against golden vectors: what `happyhorse verify goldens DIR` runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from happyhorse.errors import HappyHorseError, Unsupported
from happyhorse.model import goldens_codecs, goldens_network
from happyhorse.model.extras import installed
from happyhorse.model.goldens import Case, Check, Problem

Runner = Callable[[Case], Iterator[Check]]

_RUNNERS: dict[str, Runner] = {
    "dit_": goldens_network.check_forward,
    "sampler_": goldens_network.check_trajectory,
    "schedules": goldens_network.check_schedules,
    "turbo_vae": goldens_codecs.check_turbo_vae,
    "wan22_vae": goldens_codecs.check_wan_vae,
    "oobleck": goldens_codecs.check_oobleck,
    "misc_": goldens_codecs.check_processing,
}
"""First letters of a file's name -> what is run on it."""
_NEED_DIFFUSERS = ("wan22_vae", "oobleck")


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
    weights_used: set[str] = set()
    unknown: list[Path] = []
    for path in sorted(folder.glob("*.safetensors")):
        run = _runner_of(path.stem)
        if run is None:
            unknown.append(path)
            continue
        if path.stem.startswith(_NEED_DIFFUSERS) and not installed("diffusers"):
            not_covered.append(f"{path.name} (needs diffusers: pip install 'happyhorse[gpu]')")
            continue
        for result in _run_case(path, run, weights_used, not_covered):
            results.append(result)
            if on_result is not None:
                on_result(result)
    return Report(
        tuple(result for result in results if isinstance(result, Check)),
        tuple(result for result in results if isinstance(result, Problem)),
        (*(path.name for path in unknown if path.stem not in weights_used), *not_covered),
    )


def _run_case(
    path: Path, run: Runner, weights_used: set[str], not_covered: list[str]
) -> Iterator[Check | Problem]:
    try:
        case = Case.read(path)
        weights_used.add(case.weights)
        found = 0
        for check in run(case):
            found += 1
            yield check
        if not found:
            raise Unsupported("it holds nothing to compare")
        not_covered.extend(f"{path.stem}: {name}" for name in sorted(case.tensors.keys() - case.used))
    except (HappyHorseError, ValueError, RuntimeError) as err:
        yield Problem(path.stem, str(err))


def _runner_of(stem: str) -> Runner | None:
    if stem.endswith("_weights"):
        return None
    return next((run for prefix, run in _RUNNERS.items() if stem.startswith(prefix)), None)
