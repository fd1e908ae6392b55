# SPDX-License-Identifier: Apache-2.0
"""bench_compare.py: made-up programs whose times are known, and the real one beside itself."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from comparer import Comparer, record
from convscale.bench_compare import main
from convscale.bench_workloads import ALL, QUICK
from convscale.host import processors
from forked import MadeUp, Script

ONE, TWO = "full-f64-k4-s5-64", "full-f64-k4-s5-(64|256)"
K3_AND_K4 = "full-f64-k(3|4)-s5-1000"


class Bench:
    """bench_compare.py with two made-up programs, in a folder of its own."""

    script = Script("bench_compare.py", main)

    def __init__(self, folder: Path, made_up: MadeUp) -> None:
        self.folder, self.programs = folder, list[Path]()
        for side in ("before", "after"):
            (folder / side).mkdir()
            Comparer(folder / side).file("template.json", record())
            self.programs.append(made_up.write(
                folder / side / "convscale", Path(__file__).with_name("made_up_bench_program.py")))
            self.let(side)

    def let(self, side: str, **behaviour: Any) -> None:
        (self.folder / side / "behaviour.json").write_text(json.dumps(behaviour))

    def start(self, *options: object, **more: Any) -> "subprocess.Popen[str]":
        own, extra = list(options), []
        if "--" in own:
            own, extra = own[:own.index("--")], own[own.index("--"):]
        return self.script.start(*own, "--results", "rounds", *self.programs, *extra,
                                 cwd=self.folder, **more)

    def run(self, *options: object) -> "subprocess.CompletedProcess[str]":
        with self.start(*options) as process:
            out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(options, process.returncode, out, err)

    def error(self, *options: object, code: int) -> str:
        """The one line, without the script's name."""
        done = self.run(*options)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("bench_compare.py: ")
        return done.stderr.removeprefix("bench_compare.py: ").strip()

    @property
    def starts(self) -> list[tuple[str, dict[str, str]]]:
        """Side and options of each run of a program."""
        path = self.folder / "starts"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] \
            if path.exists() else []


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, MadeUp(monkeypatch))


def verdicts(output: str) -> dict[str, str]:
    """By workload."""
    table = output.split("verdict  workload", 1)[1].split("\n\n")[0].splitlines()[1:]
    return {line.split()[1]: line.split()[0] for line in table}


# --- The list


def test_the_list_spans_what_kernels_choose_their_loops_by() -> None:
    names = [one.name for one in ALL]
    assert len(set(names)) == len(names) and set(QUICK) < set(ALL)
    assert {one.filter_size for one in ALL} >= {1, 3, 4, 5, 7, 9, 15, 31}
    assert {one.stride for one in ALL} >= {1, 2, 3, 5, 7}
    for chosen in (ALL, QUICK):
        kinds = {(one.method, one.dtype) for one in chosen}
        assert kinds == {(m, d) for m in ("full", "strided") for d in ("float64", "float32")}
    for method in ("full", "strided"):
        assert {one.side for one in ALL if one.method == method} == {32, 64, 256, 1000}


def test_the_list_is_printed_and_nothing_runs(bench: Bench) -> None:
    assert bench.run("--list").stdout.splitlines() == [one.name for one in ALL]
    assert bench.run("--list", "--quick").stdout.splitlines() == [one.name for one in QUICK]
    assert bench.run("--list", "--only", TWO).stdout.splitlines() == [ONE, "full-f64-k4-s5-256"]
    assert bench.starts == []


# --- The rounds


def test_the_programs_take_turns_and_so_does_who_is_first(bench: Bench) -> None:
    done = bench.run("--only", TWO)
    assert done.returncode == 0, done
    order = [(options["--size"], side) for side, options in bench.starts]
    odd = [("64", "after"), ("64", "before"), ("256", "before"), ("256", "after")]
    even = [("64", "before"), ("64", "after"), ("256", "after"), ("256", "before")]
    assert order == 3 * [*odd, *even]  # six rounds: fewer could not tell one of two records
    assert [line.split(" took ")[0] for line in done.stderr.splitlines()] == [
        f"bench_compare.py: round {number} of 6" for number in range(1, 7)]


def test_what_the_programs_are_told(bench: Bench) -> None:
    bench.run("--only", ONE)
    assert {options.pop("--json") != "" for _, options in bench.starts} == {True}
    _, options = bench.starts[0]
    del options["--json"]
    assert options == {"--method": "full", "--dtype": "float64", "--size": "64",
                       "--filter-size": "4", "--stride": "5", "--mem": str(2**23),
                       "--num_workers": str(processors())}
    (bench.folder / "starts").unlink()
    bench.run("--only", ONE, "--", "--num_workers", "3", "--mem", "4096", "--seed", "7")
    for _, options in bench.starts:
        assert (options["--num_workers"], options["--mem"], options["--seed"]) == ("3", "4096", "7")


def test_the_list_of_another_option_asks_for_more_rounds(bench: Bench) -> None:
    done = bench.run("--only", ONE, "--", "--num_workers", "1,2,3,4,5")
    assert done.returncode == 0 and "7 runs a side" in done.stdout, done
    assert "workers" in done.stdout.split("verdict")[1].split("\n")[0]
    done = bench.run("--only", ONE, "--rounds", 5, "--", "--num_workers", "1,2,3,4,5")
    assert (done.returncode, done.stderr) == (2, (
        "bench_compare.py: --rounds 5: no times could call one of 5 records faster or slower; 7 "
        "rounds can\n"))


def test_rounds_are_files_that_compare_reads(bench: Bench) -> None:
    (bench.folder / "rounds").mkdir()
    for name in ("before-09.json", "before-mine.json"):
        (bench.folder / "rounds" / name).write_text("of an earlier run")
    bench.let("after", times={"3": 1.3})
    done = bench.run("--only", K3_AND_K4, "--", "--seed", "5")
    files = sorted(path.name for path in (bench.folder / "rounds").iterdir())
    assert files == sorted(f"{side}-{number:02}.json" for side in ("before", "after")
                           for number in range(1, 7)) + ["before-mine.json"]
    sides = [sorted(map(str, (bench.folder / "rounds").glob(f"{side}-0*.json")))
             for side in ("before", "after")]
    figures = Comparer(bench.folder).figures("--before", *sides[0], "--after", *sides[1])
    assert [c["verdict"] for c in figures["comparisons"]] == ["slower", "same"]
    assert list(verdicts(done.stdout).values()) == ["slower", "same"]
    written = json.loads(Path(sides[1][0]).read_text())
    assert written["program"]["argv"] == [str(bench.programs[1]), "--seed", "5"]
    assert written["wall_s"] == 2.0


# --- Verdicts and exit codes


@pytest.mark.parametrize("time, verdict, code", [(1.3, "slower", 1), (0.7, "faster", 0),
                                                 (1.0, "same", 0)])
def test_verdicts(bench: Bench, time: float, verdict: str, code: int) -> None:
    bench.let("after", times={"3": time})
    done = bench.run("--only", K3_AND_K4)
    assert done.returncode == code, done
    assert verdicts(done.stdout) == {"full-f64-k3-s5-1000": verdict, "full-f64-k4-s5-1000": "same"}
    lines = done.stdout.splitlines()
    assert lines[:2] == ["before: convscale 0.2.0, git abc, 6 runs",
                         "after:  convscale 0.2.0, git abc, 6 runs"]
    assert "delta" not in done.stdout and "kernel avx512" in done.stdout
    assert lines[-1] == "The rounds' results: rounds"
    assert max(map(len, lines)) < 80


def test_a_change_under_the_threshold_is_the_same(bench: Bench) -> None:
    bench.let("after", times={"4": 1.04})
    assert bench.run("--only", ONE).returncode == 1
    done = bench.run("--only", ONE, "--threshold", "5%")
    assert (done.returncode, verdicts(done.stdout)) == (0, {ONE: "same"})


def test_what_no_longer_verifies_is_lost(bench: Bench) -> None:
    bench.let("after", code=4)
    done = bench.run("--only", ONE)
    assert done.returncode == 1, done
    assert "Lost: " in done.stdout and "failed its verification after" in done.stdout


def test_auto_may_take_another_kernel(bench: Bench) -> None:
    bench.let("before", kernel="avx2")
    done = bench.run("--only", ONE)
    assert done.returncode == 0 and "kernel avx2 -> avx512" in done.stdout, done
    done = bench.run("--only", ONE, "--", "--kernel", "auto")
    assert done.returncode == 2 and "kernel avx2 before, avx512 after" in done.stderr, done


# --- What goes wrong


@pytest.mark.parametrize("options, line", [
    (["--rounds", 3], "--rounds 3: no times could call one of 34 records faster or slower; 8 "
     "rounds can"),
    (["--rounds", 4, "--only", ONE], "--rounds 4: no times could call a record faster or slower; 5 "
     "rounds can"),
    (["--rounds", "many"], "--rounds many: expected a whole number of at least 1"),
    (["--threshold", "much"], "--threshold much: expected a percentage, such as 5%"),
    (["--only", "k("], "--only k(: is no regular expression (missing ), unterminated subpattern at "
     "position 1)"),
    (["--only", "k99"], "--only k99: no workload has that in its name; --list lists them, such as "
     "full-f64-k3-s5-1000"),
    (["more"], "expected two programs, before and after, got 3"),
    (["--often"], "unrecognized arguments: --often; bench_compare.py --help lists the options"),
    (["--", "--size=10"], "--size behind --: each workload sets it; choose among them with --only"),
    (["--", "--json", "a"], "--json behind --: each workload sets it; choose among them with "
     "--only")])
def test_bad_options(bench: Bench, options: list[object], line: str) -> None:
    assert bench.error(*options, code=2) == line
    assert bench.starts == []


@pytest.mark.parametrize("behaviour, code, how", [
    ({"code": 2, "says": "warning\nconvscale: --mem x\n\n"}, 2, "exit code 2: convscale: --mem x"),
    ({"code": 3}, 3, "exit code 3"), ({"code": 5}, 5, "exit code 5"),
    ({"signal": "SIGKILL"}, 5, "signal 9")])
def test_a_program_that_fails(bench: Bench, behaviour: dict[str, Any], code: int, how: str) -> None:
    bench.let("after", **behaviour)
    assert bench.error("--only", ONE, code=code) == f"after, {ONE}: the program ended with {how}"


def test_programs_that_are_none(bench: Bench) -> None:
    bench.programs[0] = bench.folder / "nowhere"
    assert bench.error(code=3) == (f"{bench.folder}/nowhere: is no program; give a convscale that "
                                   "is built")
    bench.programs[0] = bench.folder / "before" / "template.json"
    assert "template.json: is no program" in bench.error(code=3)


def test_results_that_cannot_be_written(bench: Bench) -> None:
    (bench.folder / "rounds").write_text("a file")
    assert bench.error(code=5) == "rounds: File exists"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_program_too(bench: Bench, number: signal.Signals) -> None:
    bench.let("before", hangs=True)
    (bench.folder / "tmp").mkdir()
    pid = bench.folder / "before" / "pid"
    with bench.start("--only", ONE, env={**os.environ, "TMPDIR": str(bench.folder / "tmp")}) as run:
        while not (pid.exists() and pid.read_text()):
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (130, "", "bench_compare.py: interrupted by a signal\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert os.listdir(bench.folder / "tmp") == []


def test_a_program_that_says_it_was_interrupted(bench: Bench) -> None:
    bench.let("before", code=130)
    assert bench.error("--only", ONE, code=130) == "interrupted by a signal"


def test_the_real_program_beside_itself(program: Path, tmp_path: Path) -> None:
    """Whatever the verdicts are; of whole records."""
    done = Bench.script.run("--only", "k4-s5-32$", "--results", tmp_path / "rounds", program,
                            program, "--", "--mem", "4096", "--iterations", "2", "-w", "1")
    assert done.returncode in (0, 1), done.stderr
    assert set(verdicts(done.stdout)) == {one.name for one in ALL if one.name.endswith("k4-s5-32")}
    assert "\n6 runs a side" in done.stdout and "lost" not in done.stdout
