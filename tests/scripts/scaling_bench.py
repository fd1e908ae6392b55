# SPDX-License-Identifier: Apache-2.0
"""A folder and a made-up program for sweeps of scaling.py."""
from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from convscale.cli import run_script
from convscale.plots.model import Chart
from convscale.plots.svg import Svg
from convscale.scaling.main import main

HERE = Path(__file__).resolve().parent
SCALING = HERE.parents[1] / "scripts" / "scaling.py"
OPTIONS = ["--num_workers", "1,2", "--mem", "4M", "--sizes", "500", "--method", "full"]
STEPS = ["strong-full-float64", "throughput-full-float64", "weak-w1-full-float64"]


class Bench:
    """A made-up program and a folder for a sweep."""

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
            "Path(__file__).resolve().parents[2] / \"scripts\"", repr(str(SCALING.parent))))
        self.program.write_text(f"#!{sys.executable} -BSE\n"
                                + (HERE / "made_up_scaling_program.py").read_text())
        self.program.chmod(0o755)
        self.behave()

    def behave(self, **behaviour: Any) -> None:
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-B", str(SCALING), "--out", str(self.out), "--program",
                str(self.program), *options]

    def run(self, code: int, *options: str) -> str:
        """Standard error of a run that must end with `code`. In this process, as loading
        matplotlib takes long."""
        self.capture.readouterr()
        monkeypatch, given = self.monkeypatch, self.command(*(options or OPTIONS))[2:]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            run_script("scaling.py", main)
        errors: str = self.capture.readouterr().err
        assert ended.value.code == code, errors
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
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield Bench(tmp_path, capfd, monkeypatch)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def quick_draw(chart: Chart) -> Svg:
    return Svg(chart.name, chart.title, chart.caption, 10, 10, "")
