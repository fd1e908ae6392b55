# SPDX-License-Identifier: Apache-2.0
"""convscale.cli: values, errors of one line, exit codes, and files that are written whole."""
from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Callable

import pytest

from convscale import cli


@pytest.mark.parametrize("parse,text,value", [
    (cli.parse_size, "1000", (1000, 1000)), (cli.parse_size, "480x640", (480, 640)),
    (cli.parse_pixels, "33554432", 33554432), (cli.parse_pixels, "32Mi", 2**25),
    (cli.parse_pixels, "1G", 10**9), (cli.parse_seconds, "0.5", 0.5), (cli.parse_seconds, ".5", .5),
    (cli.parse_seconds, "2", 2.0), (cli.parse_list, "1, 2,4", ["1", "2", "4"]),
    (cli.parse_percent, "5%", 0.05), (cli.parse_percent, "5", 0.05),
    (cli.parse_percent, "0.5 %", 0.005), (cli.parse_percent, "0%", 0.0)])
def test_values(parse: Callable[[str, str], Any], text: str, value: Any) -> None:
    assert parse("--option", text) == pytest.approx(value) if isinstance(value, float) else \
        parse("--option", text) == value


@pytest.mark.parametrize("parse,texts", [
    (cli.parse_size, ["", "0", "x", "10x", "x10", "10x0", "-1", "1.5", "9" * 11, "1X1", "\u0661"]),
    (cli.parse_pixels, ["", "0", "Ki", "1KB", "1.5M", "-1", "1e6", "9" * 16]),
    (cli.parse_seconds, ["", ".", "-1", "nan", "inf", "1e3", "1s"]),
    (cli.parse_percent, ["", "%", "-5%", "nan", "inf", "5%%", "1e3", "9" * 7]),
    (cli.parse_list, ["", " ", ",", "1,", ",1", "1,,2"])])
def test_bad_values(parse: Callable[[str, str], Any], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(cli.UsageError, match="^--option"):
            parse("--option", text)
            pytest.fail(f"took {text!r}")


def test_options_have_no_abbreviations() -> None:
    parser = cli.Parser("x.py", "Does it.", "x.py --workers 2")
    parser.add_argument("--workers")
    assert parser.parse_args(["--workers", "2"]).workers == "2"
    for args in (["--work", "2"], ["--workers"], ["more"]):
        with pytest.raises(cli.UsageError, match="x.py --help lists the options"):
            parser.parse_args(args)
    assert parser.format_help().endswith("Example: x.py --workers 2\n")


# --- Errors and exit codes, in a process of their own


def run_body(scripts: Path, body: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    code = (f"import sys; sys.path.insert(0, {str(scripts)!r})\n"
            f"from convscale import cli\n"
            f"def body(args):\n    {body}\ncli.run_script('x.py', body)")
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([sys.executable, "-B", "-c", code], stderr=subprocess.PIPE, text=True,
                          check=False, timeout=240, **options)


@pytest.mark.parametrize("body,code,line", [
    ("return 0", 0, ""), ("return 1", 1, ""),
    ("raise cli.UsageError('two\\n  lines')", 2, "x.py: two lines\n"),
    ("raise cli.UnsupportedError('no card')", 3, "x.py: no card\n"),
    ("raise cli.Error('disk')", 5, "x.py: disk\n"),
    ("raise MemoryError", 5, "x.py: out of memory; fewer or smaller images would do\n"),
    ("open('/nowhere/a')", 5, "x.py: /nowhere/a: No such file or directory\n"),
    ("raise KeyboardInterrupt", 130, "x.py: interrupted by a signal\n")])
def test_exit_codes(scripts: Path, body: str, code: int, line: str) -> None:
    done = run_body(scripts, body)
    assert (done.returncode, done.stderr) == (code, line)


def test_a_missing_module_is_a_line(scripts: Path) -> None:
    done = run_body(scripts, "return cli.main_of('convscale.no_such_part')(args)")
    assert done.returncode == 3
    assert "has no module convscale.no_such_part; install" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_output_that_takes_nothing(scripts: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = run_body(scripts, "print('text'); return 0", stdout=full)
    assert (done.returncode, done.stderr) == (5, "x.py: No space left on device\n")
    read, write = os.pipe()
    os.close(read)
    done = run_body(scripts, "print('text' * 100000); return 0", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (5, "")


# --- write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    cli.write_text(path, "new \u00e9")
    assert path.read_text(encoding="utf-8") == "new \u00e9"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    def fail(_file: object) -> None:
        raise MemoryError
    with pytest.raises(MemoryError):
        cli.write_file(path, fail)
    assert path.read_text(encoding="utf-8") == "new \u00e9"
    assert os.listdir(tmp_path) == ["a.json"]  # no temporary is left


def test_what_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    cli.write_text(tmp_path / "a.md", "folder\udcff \u00e9")
    assert (tmp_path / "a.md").read_bytes() == b"folder\\udcff \xc3\xa9"


def test_a_link_stays_one_and_so_does_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    cli.write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    cli.write_text(tmp_path / "pipe", "text")
    assert os.read(reader, 9) == b"text" and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_a_descriptor_goes_on_where_it_is(tmp_path: Path) -> None:
    for flags, folder in ((os.O_APPEND, "/dev/fd"), (0, f"/proc/{os.getpid()}/fd")):
        (tmp_path / "all").write_text("old ")
        number = os.open(tmp_path / "all", os.O_WRONLY | flags)
        os.lseek(number, 4, os.SEEK_SET)
        (tmp_path / "link").symlink_to(f"{folder}/{number}")
        for path in (Path(folder) / str(number), tmp_path / "link"):
            cli.check_writable(path)
            cli.write_text(path, "text")
        os.close(number)
        with pytest.raises(OSError):
            cli.check_writable(tmp_path / "link")
        (tmp_path / "link").unlink()
        assert (tmp_path / "all").read_text() == "old texttext"
        assert os.listdir(tmp_path) == ["all"]


def test_a_descriptor_that_is_only_read(tmp_path: Path) -> None:
    (tmp_path / "all").write_text("old ")
    with open(tmp_path / "all", "rb") as file:
        for path in (f"/dev/fd/{file.fileno()}", f"/proc/thread-self/fd/{file.fileno()}"):
            for write in (cli.check_writable, lambda path: cli.write_text(path, "text")):
                with pytest.raises(OSError) as caught:
                    write(Path(path))
                assert (caught.value.errno, caught.value.filename) == (errno.EBADF, path)
    assert (tmp_path / "all").read_text() == "old "


def test_standard_output_by_its_name_keeps_what_it_has(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "all").write_text("old ")
    with open(tmp_path / "all", "a", encoding="utf-8") as file:
        done = run_body(scripts, "from pathlib import Path; print('before', end=' '); "
                        "cli.write_text(Path('/dev/stdout'), 'text'); return 0", stdout=file)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "all").read_text() == "old before text"


def test_closed_descriptors_get_into_no_file(scripts: Path, tmp_path: Path) -> None:
    body = ("import os, subprocess; file = open('all', 'w'); "
            "subprocess.run(['sh', '-c', 'echo child; echo error >&2'], check=True); "
            "print('text', flush=True); raise cli.Error('wrong')")
    run = f"import sys; sys.path.insert(0, {str(scripts)!r})\nfrom convscale import cli\n" \
          f"def body(args):\n    {body}\ncli.run_script('x.py', body)"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, run],
                              cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 5
        assert done.stderr == ("" if "2>" in closed else "error\nx.py: wrong\n")
        assert done.stdout == ("" if " >" in f" {closed}" else "child\ntext\n")
        assert (tmp_path / "all").read_text() == ""


def test_what_a_killed_run_has_left_goes(tmp_path: Path) -> None:
    """As the program names its own; what only looks like it stays."""
    name = "a" * 230 + ".json"
    kept = {"b.json.partial-x1y2z3", f"{name}.partial-live01", f"{name}.partial-short",
            f"{name}.partial-longer1", f"{name}.partial-of my own"}
    for left in (f"{name}.partial-x1y2z3", *kept):
        (tmp_path / left).write_text("half")
    with open(tmp_path / f"{name}.partial-live01", "r+b") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        cli.write_text(tmp_path / name, "text")
        assert set(os.listdir(tmp_path)) == {name, *kept}


@pytest.mark.parametrize("taken", ["gone", "held"])
def test_a_temporary_that_is_taken_for_an_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                taken: str) -> None:
    """Between its making and its lock another writer locks it, and deletes it then or later."""
    real, rivals = fcntl.flock, list[BinaryIO]()
    def flock(file: BinaryIO, how: int) -> None:
        if not rivals:
            [path] = tmp_path.iterdir()
            rivals.append(open(path, "r+b"))
            real(rivals[0], fcntl.LOCK_EX)
            if taken == "gone":
                path.unlink()
                rivals[0].close()
        real(file, how)
    def write(file: BinaryIO) -> None:
        file.write(b"text")
        if taken == "held":
            Path(rivals[0].name).unlink(missing_ok=True)
    monkeypatch.setattr("fcntl.flock", flock)
    cli.write_file(tmp_path / "a.json", write)
    assert (tmp_path / "a.json").read_text() == "text" and os.listdir(tmp_path) == ["a.json"]
    rivals[0].close()


def test_many_write_one_file(scripts: Path, tmp_path: Path) -> None:
    code = (f"import sys; sys.path.insert(0, {str(scripts)!r})\nfrom pathlib import Path\n"
            "from convscale import cli\nfor _ in range(300):\n"
            "    cli.write_text(Path('a.json'), sys.argv[1] * 20)")
    writers = [subprocess.Popen([sys.executable, "-B", "-c", code, letter], cwd=tmp_path,
                                stderr=subprocess.PIPE, text=True) for letter in "abcdef"]
    errors = [writer.communicate(timeout=240)[1] for writer in writers]
    assert errors == [""] * 6
    assert (tmp_path / "a.json").read_text() in [letter * 20 for letter in "abcdef"]
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "nowhere" / "a.json", tmp_path, tmp_path / "loop" / "a.json",
                 tmp_path / ("a" * 300)):
        for write in (cli.check_writable, lambda path: cli.write_text(path, "text")):
            with pytest.raises(OSError) as caught:
                write(path)
            assert caught.value.filename == str(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_is_an_interrupt(scripts: Path, number: signal.Signals) -> None:
    wait = "import os, signal, time; cli.interrupt_on_termination(); "
    done = run_body(scripts, f"{wait}os.kill(os.getpid(), {int(number)}); time.sleep(300)")
    assert (done.returncode, done.stderr) == (130, "x.py: interrupted by a signal\n")


def test_what_nohup_ignores_stays_ignored(scripts: Path) -> None:
    done = run_body(scripts, "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
                    "cli.interrupt_on_termination(); os.kill(os.getpid(), signal.SIGHUP); return 7")
    assert (done.returncode, done.stderr) == (7, "")
