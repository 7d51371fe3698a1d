"""Speed-ups are named in the environment, and what torch compiles is kept in the data folder."""

import os

import pytest

from happyhorse.cli.build import load_speedups
from happyhorse.errors import InvalidRequest
from happyhorse.model.speedups import PLAIN, Speedups
from happyhorse.settings import Settings

FOLDER = "TORCHINDUCTOR_CACHE_DIR"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch):
    monkeypatch.setenv(FOLDER, "anything")  # so that what is set here is undone
    monkeypatch.delenv(FOLDER)


def test_the_environment_names_them(tmp_path):
    values = {"HAPPYHORSE_DATA_DIR": str(tmp_path), "HAPPYHORSE_SPEEDUPS": " compile, graphs,"}
    assert load_speedups(Settings.from_env(values)) == Speedups(compile=True, graphs=True)
    assert os.environ[FOLDER] == str(tmp_path / "compiled")
    assert load_speedups(Settings.from_env({})) == PLAIN
    wrong = Settings.from_env({"HAPPYHORSE_SPEEDUPS": "compile,fast"})
    with pytest.raises(InvalidRequest, match=r"^HAPPYHORSE_SPEEDUPS must be some of .*; got 'fast'$"):
        load_speedups(wrong)


@pytest.mark.parametrize("name", ["FP8", "ALLOW_LOCAL_URLS"])
def test_a_switch_is_on_or_off_or_refused(name):
    def found(value):
        return getattr(Settings.from_env({f"HAPPYHORSE_{name}": value}), name.lower())

    assert all(found(value) for value in ("1", "true", "Yes", " on "))
    assert not any(found(value) for value in ("", "0", "false", "No", "off"))
    with pytest.raises(InvalidRequest, match=rf"^HAPPYHORSE_{name} must be 1 or 0; got 'maybe'$"):
        found("maybe")


def test_a_folder_that_the_user_chose_stays(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    load_speedups(Settings.from_env({}))
    assert os.environ[FOLDER] == str(tmp_path)
