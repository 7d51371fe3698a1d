"""The README is true: its first block, as it stands, installs into a fresh environment and makes a clip."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from happyhorse.media.read import probe

ROOT = Path(__file__).parent.parent


def blocks():
    return re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_readme_has_one_block_to_make_a_clip_and_one_to_pass_the_tests():
    first, second = blocks()
    assert "happyhorse generate" in first
    assert "pytest" in second
    assert "apt" not in first + second


@pytest.mark.slow
def test_the_first_block_makes_a_clip_in_a_fresh_environment(tmp_path):
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", "*.mp4")
    shutil.copytree(ROOT, tree, ignore=ignored)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks()[0]],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    clip = probe(tree / "clip.mp4")
    assert (clip.width, clip.height, clip.num_frames, clip.has_audio) == (1280, 720, 125, True)
