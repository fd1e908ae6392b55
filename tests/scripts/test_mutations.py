# SPDX-License-Identifier: Apache-2.0
"""The runner of planted lies, on a made-up tree that builds in no time; and its real tables, as far
as they can be checked without planting anything."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import MadeUp, Script

HERE = Path(__file__).resolve().parent
RUN = HERE.parent / "mutations" / "run.py"
sys.path.append(str(RUN.parent))
import plant  # noqa: E402

RUNNER = Script("mutations", plant.main, RUN)
# Looks like a GoogleTest executable; its cases are shell functions that the sources define.
CALC_TEST = r"""# static_assert # nothing
for option; do
  case $option in
    --gtest_filter=*) filter=${option#*=} ;;
    --gtest_list_tests) list=yes ;;
  esac
done
code=0
for test in Calc.Doubles Calc.Adds Calc.IsSlow; do
  case $test in $filter) ;; *) continue ;; esac
  if [ -n "$list" ]; then echo "Calc."; echo "  ${test#*.}"; continue; fi
  echo "[ RUN      ] $test"
  case $test in
    Calc.Doubles) [ "$(double 3)" = 6 ] ;;
    Calc.Adds) [ "$(add 3 4)" = 7 ] ;;
    Calc.IsSlow) slow ;;
  esac && echo "[       OK ] $test (0 ms)" || { code=1; echo "[  FAILED  ] $test (0 ms)"; }
done
exit $code
"""
PROGRAM = """
if [ "$(double 2)" != 4 ]; then echo "convscale: verification failed" >&2; exit 4; fi
if [ "$(add 1 1)" != 2 ]; then echo "convscale: warning: odd" >&2; fi
"""
PYTEST = """
import subprocess

def pytest_addoption(parser): parser.addoption("--program")
"""
TEST = """
import subprocess

def test_program_is_silent(pytestconfig):
    done = subprocess.run([pytestconfig.getoption("--program")], capture_output=True, check=True)
    assert done.stderr == b""
"""
TEXTS = {"common/double.sh": "double() { echo $(($1 * 2)); }\n",
         "cpu/add.sh": "add() { echo $(($1 + $2)); }\n",
         "bench/slow.sh": "slow() { sleep 0; }\n# twice twice\n",
         "cuda/none.sh": "# nothing\n",
         "tests/calc_test.sh": CALC_TEST, "tests/convscale.sh": PROGRAM,
         "tests/scripts/conftest.py": PYTEST, "tests/scripts/test_program.py": TEST,
         ".gitignore": "build/\n"}
TRIPLES = ("it triples", "$1 * 2", "$1 * 3", 'target = "calc_test"\nfilter = "Calc.Doubles"')
SUBTRACTS = ("it subtracts", "$1 + $2", "$1 - $2", 'target = "calc_test"\nfilter = "Calc.Adds"')


def entry(what: str, before: str, after: str, check: str) -> str:
    return (f"[[lie]]\nwhat = '{what}'\nkind = 'made up'\nbefore = '{before}'\nafter = '{after}'\n"
            f"{check}\n")


class Bench:
    """A made-up clone with tables of lies, and a made-up cmake."""

    def __init__(self, folder: Path, programs: MadeUp) -> None:
        self.root, self.tables, self.notes = folder / "root", folder / "tables", folder / "notes"
        tools = folder / "tools"
        for path, text in TEXTS.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        self.tables.mkdir()
        tools.mkdir()
        programs.write(tools / "cmake", HERE / "made_up_cmake.py")
        self.environment = {**os.environ, "MADE_UP_NOTES": str(self.notes),
                            "PATH": f"{tools}:{os.environ['PATH']}"}
        for command in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", "-C", self.root, *command], check=True)

    def start(self, *options: str) -> "subprocess.Popen[str]":
        return RUNNER.start("--root", self.root, "--tables", self.tables, *options,
                            env=self.environment)

    def done(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return RUNNER.run("--root", self.root, "--tables", self.tables, *options,
                          env=self.environment)

    def run(self, *lies: tuple[str, str, str, str], options: tuple[str, ...] = (),
            code: int = 0) -> str:
        """What the runner says of the lies."""
        (self.tables / "made_up.toml").write_text("".join(entry(*lie) for lie in lies))
        done = self.done(*options)
        assert done.returncode == code, done.stdout + done.stderr
        for path, text in TEXTS.items():
            assert (self.root / path).read_text() == text
        return done.stdout + done.stderr


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    return Bench(tmp_path, MadeUp(monkeypatch))


def test_a_lie_that_a_test_notices_is_caught_and_only_it_is_built(bench: Bench) -> None:
    said = bench.run(TRIPLES, SUBTRACTS)
    assert "caught   made up: it triples" in said and "by calc_test Calc.Doubles" in said
    assert "caught   made up: it subtracts" in said and "by calc_test Calc.Adds" in said
    assert "2 lies: 2 caught, 0 survived, 0 skipped, 0 errors" in said
    sources = ["add.sh", "calc_test.sh", "double.sh", "none.sh", "slow.sh"]
    compiled = bench.notes.read_text().splitlines()
    assert sorted(compiled[:5]) == sources
    assert compiled[5:] == ["double.sh", "add.sh"]
    # Nor is anything built again by the next run, but what has changed since.
    bench.run(TRIPLES, SUBTRACTS)
    assert bench.notes.read_text().splitlines()[7:] == ["double.sh", "add.sh"]


def test_a_lie_that_nobody_notices_survives(bench: Bench) -> None:
    # Behind one that is caught: nothing of that is left in the build.
    blind = (*SUBTRACTS[:3], 'target = "calc_test"\nfilter = "Calc.Doubles"')
    said = bench.run(TRIPLES, blind, code=1)
    assert "SURVIVED made up: it subtracts" in said
    assert "calc_test Calc.Doubles passes" in said
    assert "1 caught, 1 survived" in said


def test_changes_that_are_not_committed_are_in_the_copy(bench: Bench) -> None:
    bench.run(TRIPLES)
    (bench.root / "common/double.sh").write_text("double() { echo $(($1 * 4 / 2)); }\n")
    (bench.root / "common/new.sh").write_text("# 1000\n")
    (bench.tables / "made_up.toml").write_text(
        entry("new", "1000", "2000", 'target = "calc_test"\nfilter = "Calc.*"') +
        entry("changed", "4 / 2", "4 / 1", 'target = "calc_test"\nfilter = "Calc.*"'))
    done = bench.done()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SURVIVED made up: new" in done.stdout and "caught   made up: changed" in done.stdout


@pytest.mark.parametrize("before, complaint", [
    ("no such text", "its text is nowhere under common cpu cuda bench"),
    ("twice", "its text occurs 2 times under common cpu cuda bench: in bench/slow.sh"),
    ("() { echo", "occurs 2 times under common cpu cuda bench: in common/double.sh, cpu/add.sh")])
def test_a_text_that_does_not_occur_once_is_an_error(bench: Bench, before: str,
                                                     complaint: str) -> None:
    bad = ("bad", before, "x", 'target = "calc_test"\nfilter = "Calc.Doubles"')
    said = bench.run(bad, TRIPLES, code=2)
    assert "ERROR    made up: bad" in said and complaint in said
    assert "1 caught, 0 survived, 0 skipped, 1 errors" in said
    assert complaint in bench.run(bad, TRIPLES, code=2, options=("--dry-run",))


def test_a_lie_that_does_not_compile_is_an_error(bench: Bench) -> None:
    said = bench.run(("bad", "$1 * 2)); }", "$1 * 2)); }}", TRIPLES[3]), SUBTRACTS, code=2)
    assert "ERROR    made up: bad" in said and "it does not build: double.sh:1: error:" in said
    assert "1 caught, 0 survived, 0 skipped, 1 errors" in said


def test_a_static_assertion_of_a_test_is_a_test(bench: Bench) -> None:
    said = bench.run(("it is something", "nothing", "something", TRIPLES[3]))
    assert "by tests/calc_test.sh:1:1, a static assertion" in said


def test_crashes_and_hangs_are_caught(bench: Bench) -> None:
    check = 'target = "calc_test"\nfilter = "Calc.IsSlow"'
    said = bench.run(("it crashes", "sleep 0", "kill -SEGV $$", check),
                     ("it hangs", "sleep 0", "sleep 1000", check), options=("--limit", "2"))
    assert "by calc_test Calc.IsSlow crashes (SIGSEGV)" in said
    assert "by calc_test Calc.IsSlow does not end within " in said


def test_the_program_may_notice_by_itself(bench: Bench) -> None:
    said = bench.run((*TRIPLES[:3], 'program = ["--size", "64"]\nexit = 4\nsays = "verification"'),
                     (*SUBTRACTS[:3], 'program = []\nsays = "warning: odd"'))
    assert "by the program ends with 4 and says: verification" in said
    assert "by the program ends with 0 and says: warning: odd" in said
    blind = ("it is slow", "sleep 0", "sleep 0.1", "program = []\nexit = 4")
    assert "SURVIVED made up: it is slow" in bench.run(blind, code=1)


def test_tests_of_the_scripts_may_notice(bench: Bench) -> None:
    check = 'pytest = "tests/scripts/test_program.py"\nfilter = "-k silent"'
    said = bench.run((*SUBTRACTS[:3], check))
    assert "by test_program.py::test_program_is_silent" in said
    assert "SURVIVED" in bench.run(("it is slow", "sleep 0", "sleep 0.1", check), code=1)


@pytest.mark.parametrize("check, complaint", [
    ('target = "calc_test"\nfilter = "No.*"', "it runs no test"),
    ('target = "calc_test"\nfilter = "*.Doubles"\nneeds = ["no_such_flag"]', ""),
    ('program = []\nsays = ""\nexit = 0', "it says the same without the lie"),
    ('pytest = "tests/scripts/test_program.py"\nfilter = "-k no_such"', "without the lie, too")])
def test_a_check_that_can_notice_nothing_is_an_error(bench: Bench, check: str,
                                                     complaint: str) -> None:
    said = bench.run((*TRIPLES[:3], check), code=2 if complaint else 0)
    assert ("ERROR    made up: it triples" in said and complaint in said) if complaint else (
        "skipped  made up: it triples" in said and "no no_such_flag" in said)


def test_a_check_that_fails_without_the_lie_is_an_error(bench: Bench) -> None:
    (bench.root / "tests/calc_test.sh").write_text(CALC_TEST.replace("= 6", "= 9"))
    (bench.tables / "made_up.toml").write_text(entry(*TRIPLES))
    done = bench.done()
    assert done.returncode == 2
    assert "ERROR    made up: it triples" in done.stdout
    assert "calc_test Calc.Doubles without the lie, too" in done.stdout


def test_a_tree_that_does_not_build_is_no_lie(bench: Bench) -> None:
    said = bench.run((*TRIPLES[:3], 'target = "no_test"\nfilter = "*"'), code=5)
    assert "mutations: without a lie: ninja: error: unknown target 'no_test'" in said


def test_a_killed_run_leaves_no_lie_to_the_next(bench: Bench) -> None:
    check = 'target = "calc_test"\nfilter = "Calc.IsSlow"'
    (bench.tables / "made_up.toml").write_text(entry("it hangs", "sleep 0", "sleep 30", check))
    copy = bench.root / "build/mutations/tree/bench/slow.sh"
    with bench.start() as runner:
        while not (copy.exists() and "sleep 30" in copy.read_text()):
            assert runner.poll() is None
            time.sleep(0.01)
        os.killpg(runner.pid, signal.SIGKILL)
    said = bench.run(("it is slow", "sleep 0", "sleep 0.1", check), code=1)
    assert "SURVIVED made up: it is slow" in said


def test_a_run_that_was_killed_when_half_was_put_back_leaves_nothing_to_the_next(
        bench: Bench) -> None:
    bench.run(TRIPLES)
    for built in ("double.sh.o", "bin/calc_test"):  # newer than its source, which is put back
        (bench.root / "build/mutations/cc" / built).write_text("exit 1\n")
    assert "1 caught" in bench.run(TRIPLES)


def test_an_interrupt_ends_it_with_130(bench: Bench) -> None:
    check = 'target = "calc_test"\nfilter = "Calc.IsSlow"'
    (bench.tables / "made_up.toml").write_text(entry("it hangs", "sleep 0", "sleep 30", check))
    copy = bench.root / "build/mutations/tree/bench/slow.sh"
    with bench.start() as runner:
        while not (copy.exists() and "sleep 30" in copy.read_text()):
            assert runner.poll() is None
            time.sleep(0.01)
        runner.send_signal(signal.SIGTERM)
        _, said = runner.communicate(timeout=60)
    assert (runner.returncode, said) == (130, "mutations: interrupted by a signal\n")
    assert copy.read_text() == TEXTS["bench/slow.sh"]


def test_lies_are_chosen_listed_and_written_as_a_table(bench: Bench, tmp_path: Path) -> None:
    assert "1 lies: 1 caught" in bench.run(TRIPLES, SUBTRACTS, options=("--only", "Subtracts"))
    listed = bench.run(TRIPLES, SUBTRACTS, options=("--list",))
    assert "it triples" in listed and "calc_test Calc.Doubles" in listed
    bench.run(TRIPLES, options=("--markdown", str(tmp_path / "table.md")))
    assert (tmp_path / "table.md").read_text().splitlines()[2] == (
        "| made up | it triples | caught | calc_test Calc.Doubles |")
    assert "no lie has that" in bench.run(TRIPLES, options=("--only", "nothing"), code=2)


@pytest.mark.parametrize("before, after, complaint", [
    ("kind = 'made up'", "", "'kind' is missing"),
    ("kind = 'made up'", "kind = 3", "kind has to be a text"),
    ("target", "targets", "no such key: targets"),
    ("filter", "says", "exit and says belong to a program's check"),
    ("target = ", "pytest = 'x'\ntarget = ", "give one of target, program and pytest"),
    ("$1 * 3", "$1 * 2", "before and after are the same"),
    ("[[lie]]", "[lie]", "expected entries [[lie]]"),
    ("[[lie]]", "[[lie]", "made_up.toml: ")])
def test_bad_tables_are_refused_in_one_line(bench: Bench, before: str, after: str,
                                            complaint: str) -> None:
    (bench.tables / "made_up.toml").write_text(entry(*TRIPLES).replace(before, after))
    done = bench.done("--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr and done.stderr.count("\n") == 1


def test_a_dry_run_finds_checks_that_are_not_there(bench: Bench) -> None:
    bench.run(TRIPLES)
    build = ("--dry-run", "--build", str(bench.root / "build/mutations/cc"))
    assert "1 lies, 0 errors" in bench.run(TRIPLES, options=build)
    unknown = (*TRIPLES[:3], 'target = "calc_test"\nfilter = "No.*"')
    assert "calc_test No.*: there is no such test" in bench.run(unknown, options=build, code=2)
    unknown = (*TRIPLES[:3], 'target = "no_test"\nfilter = "*"')
    assert "there is no " in bench.run(unknown, options=build, code=2)


def test_texts_and_checks_of_the_tables_are_there(program: Path) -> None:
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True,
                             timeout=60).stdout
    build: tuple[str | Path, ...] = ()
    cache = (program.parent.parent / "CMakeCache.txt").read_text(encoding="utf-8")
    if "Release build" in version and "THRUST_INCLUDE_DIR-NOTFOUND" not in cache:
        build = ("--build", program.parent.parent)  # others have not all tests
    done = subprocess.run([sys.executable, "-B", RUN, "--dry-run", *build], capture_output=True,
                          text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
