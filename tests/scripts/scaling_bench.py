# SPDX-License-Identifier: Apache-2.0
"""A folder and a made-up program for sweeps of scaling.py."""
from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from forked import MadeUp, Script

from convscale.cli import run_script
from convscale.plots.model import Chart
from convscale.plots.svg import Svg
from convscale.scaling.main import main

HERE = Path(__file__).resolve().parent
SCALING = Script("scaling.py", main)
OPTIONS = ["--num_workers", "1,2", "--mem", "4M", "--sizes", "500", "--method", "full"]
STEPS = ["strong-full-float64", "throughput-full-float64", "weak-w1-full-float64"]


class Bench:
    """A made-up program and a folder for a sweep, or for what another `script` makes."""

    script, usual = SCALING, OPTIONS

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str],
                 monkeypatch: pytest.MonkeyPatch) -> None:
        self.capture, self.monkeypatch = capture, monkeypatch
        self.out = folder / "sweep"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.program = self.bin / "convscale"
        shutil.copy(HERE / "scaling_model.py", self.bin)
        model = self.bin / "scaling_model.py"
        model.write_text(model.read_text().replace(
            "Path(__file__).resolve().parents[2] / \"scripts\"", repr(str(SCALING.path.parent))))
        self.programs = MadeUp(monkeypatch)
        self.programs.write(self.program, HERE / "made_up_scaling_program.py")
        self.behave()

    def behave(self, **behaviour: Any) -> None:
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def options(self, *options: str) -> list[str]:
        return ["--out", str(self.out), "--program", str(self.program), *options]

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """In a process of its own."""
        return self.script.start(*self.options(*options))

    def dry_run(self, *options: str) -> str:
        """The commands."""
        self.run(0, *options, "--dry-run")
        return self.printed

    def run(self, code: int | tuple[int, ...], *options: str) -> str:
        """Standard error of a run that must end with `code`, or one of them. In this process."""
        self.capture.readouterr()
        given = [str(self.script.path), *self.options(*(options or self.usual))]
        self.monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            run_script(self.script.name, self.script.main)
        self.printed, errors = self.capture.readouterr()
        assert ended.value.code in (code if isinstance(code, tuple) else (code,)), errors
        assert "Traceback" not in errors
        return errors

    def calls(self) -> list[str]:
        """The names of the steps that ran since the last call of this."""
        path = self.bin / "calls.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [Path(line.split("--json ")[1].split()[0]).stem for line in lines]

    def run_file(self, name: str) -> Path:
        return self.out / "runs" / f"{name}.json"

    def report(self) -> str:
        return (self.out / "report.md").read_text()


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str],
          monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("convscale.scaling.write.draw", quick_draw)
    with handlers_kept():
        yield Bench(tmp_path, capfd, monkeypatch)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Those of signals that scripts take."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def quick_draw(chart: Chart) -> Svg:
    return Svg(chart.name, chart.title, chart.caption, 10, 10, "")
