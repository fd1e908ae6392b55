# SPDX-License-Identifier: Apache-2.0
"""Broken, too new and shadowed packages: one line, the exit code 3, and a remedy that works."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import run_body

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PAGES = "import os, sys\nfor _ in range(40):\n    os.write(2, b'A module that was compiled using " \
        "NumPy 1.x cannot be run\\n')\n    print('in NumPy 2', file=sys.stderr)\n"
BROKEN = {  # text of the module, and what it says
    "ImportError": ("raise ImportError('one\\n\\n two')", "ImportError: one)"),
    "AttributeError": ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API not found)"),
    "RuntimeError": ("raise RuntimeError('module compiled against API version 0x10 but')",
                     "(RuntimeError: module compiled against API version 0x10 but)"),
    "SyntaxError": ("def f(:", "(SyntaxError: invalid syntax"), "exit": ("exit(7)", "SystemExit"),
    "pages": (PAGES + "raise ImportError('numpy.core.multiarray failed to import')",
              "numpy.core.multiarray failed to import)"),
    "empty": ("", "rror: "), "long": ("raise ValueError('x\\033' * 999)", "x?x?"),
    "dependency": ("import no_such_module", "No module named 'no_such_module'")}
USERS = {"baseline.py": ("numpy", "scipy"), "compare.py": ("numpy",), "model.py": ("scipy",),
         "scaling.py": ("numpy", "matplotlib"), "experiments.py": ("numpy", "scipy"),
         "gpu_peers.py": ("numpy",), "heatmap.py": ("numpy", "matplotlib")}


def arguments(script: str, program: Path, out: Path) -> list[str]:
    return {"baseline.py": ["--mem", "64", "--size", "8", "--iterations", "1"],
            "compare.py": ["nowhere.json", "nowhere.json"], "model.py": ["nowhere.json"],
            "gpu_peers.py": ["--list"],
            "scaling.py": ["--out", str(out), "--program", str(program)],
            "heatmap.py": ["--out", str(out), "--program", str(program)],
            "experiments.py": ["--out", str(out), "--program", str(program), "--with-baseline",
                               "--experiment", "1x4"]}[script]


def run(script: str, args: list[str], *flags: str,
        **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([sys.executable, "-B", *flags, str(SCRIPTS / script), *args],
                          capture_output=True, text=True, timeout=240, check=False,
                          env={**variables, **environment})


def break_package(folder: Path, name: str, how: str) -> Path:
    path = folder / name / "__init__.py" if how == "pages" else folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BROKEN[how][0] + "\n")
    return folder


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of that name, which experiments.py looks for first."""
    for name in ("sbatch", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("script, name, how", [
    (script, name, how) for script, names in USERS.items() for name in names for how in BROKEN
    if how == "pages" or script == "compare.py" or (how, name) == ("AttributeError", "matplotlib")])
def test_a_package_that_does_not_work_is_one_line(
        program: Path, tmp_path: Path, slurm: None, script: str, name: str, how: str) -> None:
    folder = break_package(tmp_path / "path", name, how)
    done = run(script, arguments(script, program, tmp_path / "out"), PYTHONPATH=str(folder))
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert done.stderr.count("\n") == 1 and len(done.stderr) < 700
    assert done.stderr.startswith(f"{script}: ")
    assert f"in {folder}" in done.stderr and BROKEN[how][1] in done.stderr
    assert "; env -u PYTHONPATH before the command leaves out what is there; " in done.stderr
    remedy = (f"; {sys.executable} -m pip install --force-reinstall numpy, which is all that"
              if script == "gpu_peers.py" else "; Debian's python3-numpy, python3-scipy and")
    assert remedy in done.stderr and "NOUSERSITE" not in done.stderr
    assert ("Debian" in done.stderr) == (script != "gpu_peers.py")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("script, remedy", [
    ("compare.py", "install Debian's python3-numpy, python3-scipy and python3-matplotlib, and use "
     "/usr/bin/python3"),
    ("gpu_peers.py", f"{sys.executable} -m pip install numpy, or start it with the python3 that "
     "has it")])
def test_a_python_without_packages(script: str, remedy: str, program: Path,
                                   tmp_path: Path) -> None:
    """-S: Python alone."""
    done = run(script, arguments(script, program, tmp_path), "-S")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"{script}: {sys.executable} has no module numpy; {remedy}\n"


@pytest.mark.skipif(sys.prefix != sys.base_prefix, reason="this Python has no ~/.local")
def test_the_remedy_for_what_is_in_the_home_helps(tmp_path: Path) -> None:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = break_package(tmp_path / "lib" / version / "site-packages", "numpy", "pages")
    (folder / "numpy-9.8.7.dist-info").mkdir()
    (folder / "numpy-9.8.7.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 9.8.7\n")
    args = ["nowhere.json", "nowhere.json"]
    done = run("compare.py", args, PYTHONUSERBASE=str(tmp_path))
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    assert f"NumPy 9.8.7 in {folder}" in done.stderr
    assert "; PYTHONNOUSERSITE=1 before the command leaves out ~/.local; " in done.stderr
    helped = [run("compare.py", args, PYTHONUSERBASE=str(tmp_path), PYTHONNOUSERSITE="1"),
              run("compare.py", args, "-s", PYTHONUSERBASE=str(tmp_path))]
    assert [one.returncode for one in helped] == [2, 2]
    assert "nowhere.json: No such file" in helped[0].stderr


IN_WORKERS = """
import sys
if any("multiprocessing" in word for word in sys.orig_argv):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == {name!r}:
                print("page\\n" * 40, file=sys.stderr)
                {then}
    sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("kernel", ["scipy-spawn", "scipy-forkserver"])
@pytest.mark.parametrize("name", ["numpy", "scipy"])
def test_workers_without_a_package_are_one_line(tmp_path: Path, kernel: str, name: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(IN_WORKERS.format(
        name=name, then="raise RuntimeError('module compiled against')"))
    done = run("baseline.py", ["--kernel", kernel, "--mem", "4k", "--size", "8", "--num_workers",
                               "2"], PYTHONPATH=str(tmp_path))
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"baseline.py: {kernel}: a worker process cannot work: ")
    assert done.stderr.endswith(": RuntimeError: module compiled against\n")


@pytest.mark.parametrize("body, code", [
    ("import numpy; numpy.no_such_thing", 3), ("import numpy.no_such_part", 3),
    ("from numpy import no_such_thing", 3), ("import numpy; numpy.matrix([1]).no_such_thing", 1),
    ("import numpy; numpy.vectorize(lambda a: a.no_such_thing)([1])", 1),
    ("import numpy.linalg as a; a.norm(object(), ord=[]).x", 1), ("[].no_such_thing", 1),
    ("from os import no_such_thing", 1)])
def test_what_lacks_when_it_is_used(scripts: Path, body: str, code: int) -> None:
    done = run_body(scripts, body)
    assert done.returncode == code
    assert ("Traceback" in done.stderr) == (code == 1)


def test_a_module_in_the_place_of_pythons_own(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise AttributeError('no IntFlag\\nat all')\n")
    done = run("compare.py", [], PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"compare.py: {tmp_path}/argparse.py cannot be imported by {sys.executable} "
        "(AttributeError: no IntFlag); env -u PYTHONPATH PYTHONNOUSERSITE=1 before the command "
        "leaves out what is not Python's own or Debian's\n")


@pytest.mark.parametrize("text, code, says", [
    ("no_such_name", 1, "NameError"), ("import numpy\nno_such_name", 1, "NameError"),
    ("import numpy\n{}['a']", 1, "KeyError"), ("raise AttributeError('a')", 1, "Attribute"),
    ("import numpy\ndef f(:", 1, "SyntaxError"), ("from convscale.cli import n", 1, "ImportError"),
    ("open('/nowhere/a')", 5, "/nowhere/a: No such file"), ("raise MemoryError", 5, "memory")])
@pytest.mark.parametrize("where", ["cli.py", "compare.py"])
def test_faults_of_our_own_are_none_of_the_packages(tmp_path: Path, where: str, text: str,
                                                   code: int, says: str) -> None:
    """In a module that is imported when the script runs, and in one of the first."""
    scripts = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    path = scripts / "convscale" / where
    head, line, rest = path.read_text().partition("from __future__ import annotations\n")
    path.write_text(f"{head}{line}{text}\n{rest}")
    done = subprocess.run([sys.executable, "-B", str(scripts / "compare.py"), "a", "b"],
                          capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code and says in done.stderr, done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)


def test_the_baseline_of_a_sweep_leaves_out_what_the_sweep_does(program: Path,
                                                               tmp_path: Path) -> None:
    args = ["--out", str(tmp_path / "out"), "--program", str(program), "--mode", "strong", "--size",
            "8", "--mem", "64", "--baseline", "scipy-serial", "--num_workers", "1", "--dry-run"]
    for flags in ([], ["-s"], ["-E", "-s"]):
        done = run("scaling.py", args, *flags)
        words = [sys.executable, *sorted(flags), str(SCRIPTS / "baseline.py"), "--kernel"]
        assert f"\n{' '.join(words)} " in done.stdout, done.stderr
