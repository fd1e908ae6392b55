# SPDX-License-Identifier: Apache-2.0
"""Command lines made at random from the program's grammar, good, borderline and bad: each must end
with a code of the table and say why in one line, and what it wrote must be whole.
"""
from __future__ import annotations

import os
import random
import resource
import shlex
import shutil
import socket
import threading
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

from harness import (Argument, Campaign, Ended, Place, document_of, faults_of, is_sanitized,
                     parser_of, run)

# Nothing here asks for more, except what must be refused.
_MOST_BYTES = 1 << 30
# For what is refused by nobody.
_ADDRESS_SPACE = 16 << 30

Maker = Callable[[random.Random], Argument]


def one_of(*values: Argument) -> Maker:
    return lambda rng: rng.choice(values)


def list_of(*values: str) -> Maker:
    return lambda rng: ",".join(rng.choices(values, k=rng.choice((1, 1, 1, 2, 3))))


_ODD_NUMBERS: tuple[Argument, ...] = (
    "0", "-1", "-0", "+1", "00", "007", "1.5", "1e3", "0x10", " 1", "1 ", "1_000", "1,", ",1", ",",
    "1,,2", "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "18446744073709551616", "9" * 400, "nan", "inf", "-inf", "1e999", "-",
    "--", "\u0661", "\u2212" + "1", "1\n2", "1\t", "\x1b[2J")
# Some odd numbers are fine where seconds are, and would last; and where pixels are, and would fit.
_ODD_SECONDS = tuple(one for one in _ODD_NUMBERS if one not in ("1e3", "007", "00", "1 "))
_ODD_PIXELS = tuple(one for one in _ODD_NUMBERS if one not in (
    "2147483647", "2147483648", "4294967296"))
_ODD_TEXTS: tuple[Argument, ...] = (
    "", " ", "auto ", "AUTO", "no such", "a" * 5000, "\n", "a\nb", "\x1b[31m", "\x7f", b"\xff\xfe",
    b"caf\xe9", "caf\u00e9", "\u202e", "%s%n", "{}", "'", '"', "\\", "-x", "--json", "*", "$HOME")

# name: what it takes (None for flags). Sizes are such that a run takes milliseconds.
_OPTIONS: dict[str, Optional[tuple[Maker, Maker]]] = {
    "--size": (list_of("1", "16", "3x5", "1x40", "40x1", "33"),
               one_of(*_ODD_NUMBERS, "0x5", "5x0", "x", "5x", "x5", "5x5x5", "5X5", "2147483648",
                      "16777217x16777217", "2147483647", "-3x5", "16x\u00d7")),
    "--mem": (list_of("1600", "4k", "2Ki", "3000"),
              one_of(*_ODD_PIXELS, "k", "1K", "1kk", "-4k", "64G", "1T", "256Ti", "257Ti",
                     "281474976710656", "281474976710657", "99999999999T", "1 k", "4ki")),
    "--filter-size": (one_of("1", "2", "4", "5", "31"), one_of(*_ODD_NUMBERS, "32", "4x4")),
    "--stride": (one_of("1", "2", "5", "6", "100", "2147483648"),
                 one_of(*_ODD_NUMBERS, "2147483649")),
    "--dtype": (list_of("float32", "float64"), one_of(*_ODD_TEXTS, "float16", "float32,float32,")),
    "--fill": (one_of("random", "zeros", "integers"), one_of(*_ODD_TEXTS, "file")),
    "--seed": (one_of("0", "1", "18446744073709551615"), one_of(*_ODD_NUMBERS)),
    "--images": (one_of("in/good.npy", "in/float32.npy", "in/bytes.npy", "in/one.npy",
                        "in/link.npy", "in/columns.npy"),
                 one_of(*_ODD_TEXTS, "in", "in/fifo", "in/socket", "in/none.npy", "in/empty.npy",
                        "in/truncated.npy", "in/header.npy", "in/magic.npy", "in/huge.npy",
                        "in/overflow.npy", "in/zero.npy", "in/negative.npy", "in/objects.npy",
                        "in/big_endian.npy", "in/version9.npy", "in/four.npy", "in/loop.npy",
                        "in/not a.npy", b"in/\xff.npy", "in/a\nb.npy", "/dev/null", "/dev/zero",
                        "/dev/full", "/proc/self/mem", "-")),
    "--filters": (one_of("in/filters.npy", "in/filter.npy"),
                  one_of(*_ODD_TEXTS, "in/good.npy", "in/wide.npy", "in/nan.npy", "in/fifo",
                         "in/truncated.npy", "in/none.npy", "in/empty.npy", "/dev/zero")),
    "--save": (one_of("out", "out/deep/er", "."),
               one_of(*_ODD_TEXTS, "in/good.npy", "/dev/null", "/dev/full", "/proc/x", "in/fifo",
                      "out/" + "a" * 300, b"out/\xff", "in/loop.npy")),
    "--backend": (list_of("cpu", "cpu", "cuda"), one_of(*_ODD_TEXTS, "gpu", "cpu,", "cpu,nope")),
    "--kernel": (list_of("auto", "scalar", "avx2", "eigen", "avx512", "tiled"),
                 one_of(*_ODD_TEXTS)),
    "--method": (list_of("full", "strided"), one_of(*_ODD_TEXTS, "full,full,")),
    "--scope": (list_of("end-to-end", "resident"), one_of(*_ODD_TEXTS)),
    "--host-memory": (one_of("pinned", "pageable"), one_of(*_ODD_TEXTS)),
    "--devices": (one_of("all", "0", "0,1"), one_of(*_ODD_NUMBERS, "0,0", "1024", "none")),
    "--num_workers": (list_of("1", "2", "3", "17"), one_of(*_ODD_NUMBERS, "65536", "65537")),
    "--num-workers": (list_of("1", "2"), one_of(*_ODD_NUMBERS)),
    "-w": (list_of("1", "2"), one_of(*_ODD_NUMBERS, "=2")),
    "--distribute": (one_of("scatter", "local"), one_of(*_ODD_TEXTS)),
    "--iterations": (one_of("1", "2", "7"), one_of(*_ODD_NUMBERS, "1000001")),
    "--burns": (one_of("0", "1", "3"), one_of(*_ODD_NUMBERS, "1000001")),
    "--min-time": (one_of("0", "0.001", "1e-3"), one_of(*_ODD_SECONDS, "1e10", "0.1s")),
    "--max-noise": (one_of("100", "99%"), one_of(*_ODD_NUMBERS, "%", "0%", "101%", "1%%")),
    "--timeout": (one_of("0.05", "0", "1e-9"), one_of(*_ODD_SECONDS, "1e10", "0.1s")),
    "--work_time": (one_of("0", "0.001", "1e-9"), one_of(*_ODD_SECONDS, "1e10")),
    "--schedule": (one_of("static", "dynamic", "split"), one_of(*_ODD_TEXTS)),
    "--bind": (one_of("none", "spread", "compact"), one_of(*_ODD_TEXTS)),
    "--json": (one_of("a.json", "out.json", "-", "/dev/null", "in/drained"),
               one_of(*_ODD_TEXTS, "in", "no/such/folder/a", "/dev/full", "in/loop.npy", "a" * 300,
                      b"\xff.json", "/proc/x", "in/socket", "/")),
    "--csv": (one_of("a.csv", "-", "/dev/null", "in/drained"),
              one_of(*_ODD_TEXTS, "in", "no/such/folder/a", "/dev/full", "a.json")),
    "--md": (one_of("a.md", "-", "/dev/null"),
             one_of(*_ODD_TEXTS, "in", "no/such/folder/a", "/dev/full", "./a.json", "in/good.npy")),
    **dict.fromkeys(("--interleave", "--no-verify", "--iteration-lines", "--quiet", "--no-progress",
                     "--yes")),
}
_ANSWERS = ("--list", "--version", "--help", "-h", "--dragon")
_STRANGERS: tuple[Argument, ...] = ("--bogus", "--siz", "--sise", "-q", "-", "--", "---", "x", "",
                                    b"\xff", "--json-", "@a", "--size=", "-w2", "--quiet=no",
                                    "--no-verify=maybe", "--", "\n", "--\x1b[2J", "a" * 100_000)
# What would take too long, unless it is refused. A later option of a name is a fault, so that these
# stand where the name was not drawn.
_CHEAP = {"--size": "16", "--mem": "512", "--iterations": "2"}


def command_line(rng: random.Random) -> list[Argument]:
    """No value is odd, or one, or each with a chance, so that many lines pass the first checks."""
    kind = rng.choice(("good", "good", "one", "one", "many"))
    odd_share = {"good": 0.0, "one": 0.03, "many": 0.3}[kind]
    arguments: list[list[Argument]] = []
    names = rng.sample(sorted(_OPTIONS), rng.choice((0, 1, 2, 3, 4, 6, 9)))
    the_odd = rng.choice(names) if names and kind == "one" else None
    for name in names:
        makers = _OPTIONS[name]
        if makers is None:
            arguments.append([name])
            continue
        value = makers[name == the_odd or rng.random() < odd_share](rng)
        if isinstance(value, str) and rng.random() < 0.2 and name != "-w":
            arguments.append([f"{name}={value}"])
        else:
            arguments.append([name, value])
        if rng.random() < odd_share / 5:
            arguments[-1].pop()  # the value, or all
    if rng.random() < odd_share and arguments:
        arguments.append(list(rng.choice(arguments)))
    if rng.random() < odd_share:
        arguments.append([rng.choice(_STRANGERS)])
    if rng.random() < 0.03:
        arguments.append([rng.choice(_ANSWERS)])
    for name, value in _CHEAP.items():
        if name not in names and (name == "--iterations" or "--images" not in names):
            arguments.append([name, value])
    if "--max-noise" in names and "--timeout" not in names:
        arguments.append(["--timeout", "0.05"])
    rng.shuffle(arguments)
    return [argument for group in arguments for argument in group]


def make_inputs(folder: Path) -> None:
    """What --images and --filters may name; all small."""
    folder.mkdir()

    def write(name: str, shape: str, data: bytes, descr: str = "'<f8'", order: str = "False",
              version: int = 1) -> None:
        header = (f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
                  .ljust(117) + "\n").encode()
        (folder / name).write_bytes(
            b"\x93NUMPY" + bytes((version, 0)) + len(header).to_bytes(2, "little") + header + data)

    doubles = bytes(8 * 3 * 6 * 7)
    for good_name in ("good.npy", os.fsdecode(b"\xff.npy"), "a\nb.npy", "not a.npy"):
        write(good_name, "(3, 6, 7)", doubles)
    write("float32.npy", "(3, 6, 7)", doubles, "'<f4'")
    write("bytes.npy", "(3, 6, 7)", doubles[:126], "'|u1'")
    write("one.npy", "(6, 7)", doubles)
    write("columns.npy", "(3, 6, 7)", doubles, order="True")
    write("filters.npy", "(3, 4, 4)", doubles)
    write("filter.npy", "(4, 4)", doubles)
    write("wide.npy", "(3, 4, 5)", doubles)
    write("nan.npy", "(2, 2)", b"\xff" * 32)
    write("huge.npy", "(1048576, 1048576, 64)", doubles)
    write("overflow.npy", "(9223372036854775807, 9, 9)", doubles)
    write("zero.npy", "(0, 6, 7)", doubles)
    write("negative.npy", "(-3, 6, 7)", doubles)
    write("four.npy", "(1, 3, 6, 7)", doubles)
    write("objects.npy", "(3, 6, 7)", doubles, "'|O'")
    write("big_endian.npy", "(3, 6, 7)", doubles, "'>f8'")
    write("version9.npy", "(3, 6, 7)", doubles, version=9)
    write("truncated.npy", "(3, 6, 7)", doubles[:-1])
    good = (folder / "good.npy").read_bytes()
    (folder / "header.npy").write_bytes(good[:60])
    (folder / "magic.npy").write_bytes(b"\x93NUMPZ" + good[6:])
    (folder / "empty.npy").touch()
    (folder / "link.npy").symlink_to("good.npy")
    (folder / "loop.npy").symlink_to("loop.npy")
    os.mkfifo(folder / "fifo")
    os.mkfifo(folder / "drained")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(folder)  # a socket's name is of at most 107 letters
        bound.bind("socket")
        os.chdir(here)


def _drain(fifo: Path) -> None:
    """Reads away what comes, for ever. Opened to read and write, so that it sees no end."""
    handle = os.open(fifo, os.O_RDWR)

    def read() -> None:
        while os.read(handle, 1 << 16):
            pass
    threading.Thread(target=read, daemon=True).start()


def value_of(arguments: Sequence[Argument], name: str) -> Optional[Argument]:
    for index, argument in enumerate(arguments):
        if argument == name:
            return arguments[index + 1] if index + 1 < len(arguments) else None
        if isinstance(argument, str) and argument.startswith(name + "="):
            return argument[len(name) + 1:]
    return None


def judge(arguments: Sequence[Argument], ended: Ended, folder: Path) -> Iterator[str]:
    """What is wrong with how a run ended."""
    with_text = "-" in [value_of(arguments, name) for name in ("--json", "--csv", "--md")]
    yield from faults_of(ended, folder, with_text=with_text)
    if ended.code == 2 and len(ended.errors) != 1:
        yield f"exit code 2 with {len(ended.errors)} lines"
    if ended.code == 2 and ended.out:
        yield "exit code 2 with something on standard output"
    if any(letter != "\n" and (letter < " " or letter == "\x7f")
           for letter in ended.err.decode("utf-8", "replace")):
        yield "control characters on standard error"
    if ended.code != 0 or any(answer in arguments for answer in _ANSWERS):
        return
    for name in ("--json", "--csv", "--md"):
        target = value_of(arguments, name)
        if target is None or os.fsdecode(target).startswith(("/dev/", "in/")):
            continue
        path = folder / os.fsdecode(target)
        if target == "-":
            if value_of(arguments, "--json") != "-" or [
                    value_of(arguments, other) for other in ("--csv", "--md")].count("-"):
                continue  # several in one stream
            path.write_bytes(ended.out)
        if not path.is_file() or path.stat().st_size == 0:
            yield f"exit code 0, and {name} wrote nothing"
        elif name == "--json" and isinstance(document := document_of(path), str):
            yield f"exit code 0, and {document}"
    saved = value_of(arguments, "--save")
    if saved is not None:
        for name in ("images.npy", "filters.npy", "results.npy"):
            path = folder / os.fsdecode(saved) / name
            if not path.is_file() or not path.read_bytes().startswith(b"\x93NUMPY"):
                yield f"exit code 0, and --save wrote no {name}"


def main() -> None:
    parser = parser_of(__doc__ or "", count=150)
    parser.add_argument("--only", type=int, metavar="N", help="the N-th run alone")
    options = parser.parse_args()
    program = options.program.resolve()
    campaign, sanitized = Campaign("command lines", options.seed), is_sanitized(program)
    limits = {} if sanitized else {resource.RLIMIT_AS: _ADDRESS_SPACE}
    with Place() as place:
        make_inputs(place.beside / "in")
        _drain(place.beside / "in/drained")
        for index in range(options.count) if options.only is None else [options.only]:
            folder = place.empty()
            (folder / "in").symlink_to("../in")
            arguments = command_line(random.Random(f"{options.seed} {index}"))
            ended = run([program, *arguments], folder, limits=limits)
            shown = " ".join(shlex.quote(os.fsdecode(one)[:200]) for one in arguments)
            campaign.add(ended, list(judge(arguments, ended, folder)),
                         f"--seed {options.seed} --only {index}: {shown}")
            if value_of(arguments, "--md") == "in/good.npy":
                shutil.rmtree(place.beside / "in")
                make_inputs(place.beside / "in")
                _drain(place.beside / "in/drained")
    # Else the lines reach nothing but the parser.
    if campaign.runs >= 100 and not {0, 2} | ({5} if campaign.runs >= 1000 else set()) <= set(
            campaign.codes):
        campaign.complain("some exit codes never came", f"--seed {options.seed}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if most > _MOST_BYTES and not sanitized:
        campaign.complain(f"a run took {most} bytes of memory", f"--seed {options.seed}")
    campaign.finish()


if __name__ == "__main__":
    main()
