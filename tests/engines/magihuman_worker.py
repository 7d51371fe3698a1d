"""A worker process of the tiny 15 B release: `python magihuman_worker.py FOLDER DATABASE_URL [STAGE]`.

It writes down each part of a clip that it begins, and stays for ever in the middle of STAGE.
"""

import sys
import time
from pathlib import Path

from tiny_magihuman import tiny_engine

from happyhorse.db import Database
from happyhorse.engines.magihuman import MagiHumanEngine
from happyhorse.jobs.worker import Worker, run_until_told

BEGUN = "begun.txt"


class Watched(MagiHumanEngine):
    """Tells what it begins."""

    def __init__(self, engine, folder, stage):
        super().__init__(engine.capabilities, engine.release)
        self.folder, self.stage = folder, stage

    def _begin(self, part, on_progress):
        with (self.folder / BEGUN).open("a") as file:
            file.write(f"{part}\n")

        def show(progress):
            on_progress(progress)
            while progress.stage == self.stage and progress.step:
                time.sleep(1)

        return show

    def denoise(self, plan, *, on_progress):
        return super().denoise(plan, on_progress=self._begin("denoise", on_progress))

    def refine(self, plan, take, *, on_progress):
        return super().refine(plan, take, on_progress=self._begin("refine", on_progress))

    def render(self, plan, take, output, *, on_progress):
        return super().render(plan, take, output, on_progress=self._begin("render", on_progress))


def main(folder, url, stage=None):
    text = folder / "text"
    text.mkdir(exist_ok=True)
    engine = Watched(tiny_engine(text), folder, stage)
    run_until_told(Worker(engine, Database.open(url), folder), with_parent=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
