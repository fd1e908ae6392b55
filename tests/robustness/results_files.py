# SPDX-License-Identifier: Apache-2.0
"""Results files with something wrong in them, for the scripts that read some: never a traceback,
but one line and a code; and what is reported is made of numbers.
"""
from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import random
import re
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence, Union

from harness import ROOT, Campaign, Ended, Place, parser_of, run, skip

try:
    import matplotlib
    import numpy
    import scipy
except ImportError as missing:
    skip(f"{sys.executable} has no {missing.name}")

from convscale import cli, compare
from convscale.heatmap import main as heatmap
from convscale.model import main as model
from convscale.scaling import main as scaling
from convscale.slurm import main as experiments
from convscale.slurm.options import request_of
from convscale.slurm.plan import runs_of

Json = Any
_HANGS_AFTER_S = 60

# --- Files to begin with

_SMALL = ["--mem", "4k", "--iterations", "7", "--burns", "0"]


def on_ranks(document: Json, ranks: int, distribute: str) -> Json:
    """As if it had been measured so; half of the ranks on each of two nodes."""
    other = copy.deepcopy(document)
    hosts = [f"n{rank * 2 // ranks}" for rank in range(ranks)]
    other.update(ranks=ranks, hosts=hosts)
    for record in other["records"]:
        record.update(
            ranks=ranks, distribute=distribute, num_workers=record["num_workers"] * ranks,
            cpus=None,
            exchanged_bytes=10**6 if distribute == "scatter" else 0, wire_bytes=5 * 10**5,
            communication_share=0.25, barrier_s=2e-5,
            fastest_rank={"rank": 0, "host": "n0", "run_s": record["median_s"] / 2},
            slowest_rank={"rank": ranks - 1, "host": "n1", "run_s": record["median_s"]},
            per_rank=[{"rank": rank, "host": host, "num_workers": 1, "images": 1, "cpus": [0],
                       "device": None, "kernel": "scalar", "busy_s": record["median_s"] / 2,
                       "run_s": record["median_s"]} for rank, host in enumerate(hosts)])
        record["bound"].update(network_bytes_per_s=1e9, scatter_bytes_per_s=1e9,
                               gather_bytes_per_s=1e9)
    return other


@dataclass(frozen=True)
class Bases:
    """Whole results files: of single runs, of several ranks, of a heat map, of a sweep, of
    experiments."""

    single: list[Json]
    spread: list[Json]
    heat_map: Json
    sweep: Mapping[str, Json]  # by their place in the folder
    experiments: Mapping[str, Json]


def make_bases(program: Path, folder: Path) -> Bases:
    lists = ["--size", "16,32", "--method", "full,strided", "-w", "1,2", *_SMALL]
    single = []
    for options in ((), ("--interleave",), ("--max-noise", "50", "--timeout", "0.01")):
        run([program, *lists, *options, "--json", "base.json"], folder)
        single.append(json.loads((folder / "base.json").read_text()))
    spread = [on_ranks(one, ranks, distribute) for one in single[:1] for ranks in (2, 4)
              for distribute in ("scatter", "local")]
    done = run([sys.executable, "-B", str(ROOT / "scripts/heatmap.py"), "--out", "map", "--program",
                str(program), "--filter-size", "1,4", "--stride", "1,5", "--size", "16", *_SMALL],
               folder, timeout_s=600)
    assert (folder / "map.svg").exists(), done.err.decode()
    heat_map = json.loads((folder / "map.json").read_text())
    done = run([sys.executable, "-B", str(ROOT / "scripts/scaling.py"), "--out", "sweep",
                "--program", str(program), "--mem", "8k", "--mem-per-worker", "2k", "--size", "16",
                "--sizes", "16,32", "-w", "1,2", "--method", "full", "--iterations", "7"], folder,
               timeout_s=600)
    assert (folder / "sweep/index.html").exists(), done.err.decode()
    sweep = {str(path.relative_to(folder / "sweep")): json.loads(path.read_text())
             for path in (folder / "sweep").rglob("*.json") if path.name != "results.json"}
    given = [["--experiment", "1x4,2x4"], ["--mem", "4k"], ["--size", "16"]]
    request = request_of(tuple((option, value) for option, value in given))
    of_experiments: dict[str, Json] = {"experiments.json": {
        "kind": "convscale experiments", "format": 1, "given": given,
        "jobs": {one.name: 17 + index for index, one in enumerate(request.experiments)}}}
    for experiment in request.experiments:
        for one in runs_of(request, experiment, None):
            of_experiments[f"runs/{one.results}"] = (
                single[0] if experiment.nodes == 1 else spread[0])
    return Bases(single, spread, heat_map, sweep, of_experiments)


# --- What may be wrong with them

_ODD: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 2, -0.0, 0.5, 1e-30, 1e-31, 1e30, 1e31, 1e60, 1e61, 1e308, 5e-324,
    2**31, 2**53 + 1, 2**63, 2**64 - 1, 2**64, 10**25, 10**400, float("nan"), float("inf"),
    float("-inf"), "", " ", "1", "0", "nan", "ok", "skipped", "failed", "interrupted", "passed",
    "full", "cpu", "cuda", "scatter", "local", "\n", "a\nb", "\x1b[31m", "\u202e", "\ud800", "|",
    "<b>", "`", "a" * 3000, "/../..", "..", [], {}, [[]], [{}], [None], ["a"], [1e-3] * 3,
    [1e-3] * 1000,
    {"name": "x"})
# Where the scripts look. Anything else is passed through.
_LOOKED_AT = re.compile(
    r"times_s|median|mean|min_s|max_s|std|noise|cv|bound|rank|host|images|height|width|work|stat|"
    r"verif|backend|kernel|method|scope|dtype|per_s|interleaved|distribute|device|exchanged|"
    r"barrier|schema|records|program|interrupted|wall|request|steps|kind|format|given|jobs|"
    r"exit_codes|plots|filter_size|stride|warnings|heat_map|problems|argv|started_at|version")


def places_of(value: Json, above: tuple[Union[str, int], ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: Sequence[tuple[Union[str, int], Json]] = ()
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for name, one in inner:
        yield (*above, name)
        if len(above) < 10:
            yield from places_of(one, (*above, name))


def like(value: Json, rng: random.Random) -> Json:
    """Another value of the same type, which most readers must take."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((0, 1, 2, value + 1, value * 2, 10**6, 2**62, 2**64 - 1))
    if isinstance(value, float):
        return rng.choice((0, 1, 1e-30, 1e30, 1e-9, value * 2, value / 1e6, value * 1e6,
                           value * 1.03))
    if isinstance(value, str):
        return rng.choice(("", "other", "full", "strided", "ok", "skipped", "failed", "interrupted",
                           "float32", "scatter", "local", "memory", "compute", "passed", "a|b*_<"))
    if isinstance(value, list):
        return rng.choice((value[:1], value[:-1], value * 2, value * 30, value[::-1], [],
                           [like(one, rng) for one in value], [like(value[0], rng)] * len(value)
                           if value else []))
    return None


def spoil(document: Json, rng: random.Random, mildly: bool) -> None:
    """Changes one place, or the same field of all records."""
    places = list(places_of(document))
    if not places:
        return
    looked_at = [place for place in places if _LOOKED_AT.search(str(place[-1]))]
    place = rng.choice(looked_at if looked_at and rng.random() < 0.8 else places)
    chosen = [place]
    if len(place) > 2 and place[0] == "records" and rng.random() < 0.5:
        chosen = [(place[0], index, *place[2:]) for index in range(len(document["records"]))]
    how = rng.choice(("like", "like", "like", "null", "double", "shuffle") if mildly else
                     ("odd", "odd", "odd", "delete", "double", "scale", "type", "shuffle", "deep"))
    together = random.Random(rng.random())  # the same for all records
    odd, factor = rng.choice(_ODD), rng.choice((0, -1, 1e-9, 0.5, 3, 1e9, 1e25))
    for one in chosen:
        parent = document
        try:
            for name in one[:-1]:
                parent = parent[name]
            value = parent[one[-1]]
        except (KeyError, IndexError, TypeError):  # not every record has it
            continue
        if not isinstance(parent, (dict, list)):
            continue
        if how == "like":
            parent[one[-1]] = like(value, random.Random(rng.random()) if len(chosen) == 1 else
                                   copy.copy(together))
        elif how == "null":
            parent[one[-1]] = None
        elif how == "delete":
            del parent[one[-1]]
        elif how == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(value))
        elif how == "scale" and isinstance(value, (int, float)):
            parent[one[-1]] = value * factor
        elif how == "scale" and isinstance(value, list):
            parent[one[-1]] = [v * factor if isinstance(v, float) else v for v in value]
        elif how == "type":
            parent[one[-1]] = rng.choice((json.dumps(value), [value], {"it": value}))
        elif how == "shuffle" and isinstance(parent, list):
            rng.shuffle(parent)
        elif how == "deep":
            parent[one[-1]] = json.loads("[" * 200 + "]" * 200)
        elif not mildly:
            parent[one[-1]] = copy.deepcopy(odd)


def text_of(document: Json, rng: random.Random) -> bytes:
    """As JSON that may hold NaN, or with its bytes spoiled."""
    data = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.9:
        return data
    at = rng.randrange(len(data) + 1)
    return rng.choice((
        data[:at], b"", data + data, data[at:], b"\xef\xbb\xbf" + data,
        data.decode("utf-8", "replace").encode("utf-16"), gzip.compress(data), rng.randbytes(300),
        b"\0" * 4096, data[:at] + rng.randbytes(3) + data[at:], b"[" * 100_000, b'{"a":' * 50_000,
        data.replace(b'"seed"', b'"times_s": [1], "seed"'), b"9" * 10_000, b'"' + data, b"null",
        b"[]", b"{}", b'{"schema_version": "1", "records": []}', data.replace(b"0", b"NaN", 1),
        data.replace(b"1", b"1" * 5000, 1)))


def write(path: Path, document: Json, rng: random.Random, spoiled: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = copy.deepcopy(document)
    if not spoiled:
        path.write_text(json.dumps(document))
        return
    mildly = rng.random() < 0.7
    for _ in range(rng.choice((1, 1, 2, 4))):
        spoil(document, rng, mildly)
    path.write_bytes(json.dumps(document).encode() if mildly else text_of(document, rng))


# --- The scripts


def again(document: Json, rng: random.Random) -> Json:
    """As if it had been measured once more."""
    other = copy.deepcopy(document)
    for record in other["records"]:
        record["times_s"] = [time_s * rng.uniform(0.9, 1.1) for time_s in record["times_s"]]
        record["median_s"] = sorted(record["times_s"])[len(record["times_s"]) // 2]
    return other


def for_compare(bases: Bases, folder: Path, rng: random.Random) -> list[str]:
    base = rng.choice((bases.single, bases.spread))
    several = [rng.choice(base)] if rng.random() < 0.9 else base
    counts = rng.choice(((1, 1), (1, 1), (1, 1), (3, 3), (5, 4)))
    names = [[f"{side}{index}.json" for index in range(count)]
             for side, count in zip(("before", "after"), counts)]
    all_names = [*names[0], *names[1]]
    spoiled = rng.choice(all_names)
    for name in all_names:
        write(folder / name, again(rng.choice(several), rng), rng,
              name == spoiled or rng.random() < 0.2)
    if rng.random() < 0.02:
        names[0][0] = rng.choice(("none.json", ".", "/dev/null", ""))
    sides = ([*names[0], *names[1]] if counts == (1, 1) and rng.random() < 0.5 else
             ["--before", *names[0], "--after", *names[1]])
    options = [option for option in (["--sort"], ["--fail-slower", "5%"], ["--json", "out.json"],
                                     ["--markdown", "out.md"], ["--threshold", "0%"],
                                     ["--ignore", "kernel,device"], ["--alpha", ".5"])
               if rng.random() < 0.3]
    return [one for option in options for one in option] + sides


def for_model(bases: Bases, folder: Path, rng: random.Random) -> list[str]:
    documents = [bases.single[0], *bases.spread]
    for index, document in enumerate(documents):
        write(folder / f"{index}.json", document, rng, rng.random() < 0.4)
    return [f"{index}.json" for index in range(len(documents))]


def for_heatmap(bases: Bases, folder: Path, rng: random.Random) -> list[str]:
    write(folder / "map.json", bases.heat_map, rng, rng.random() < 0.9)
    return ["--from", "map.json", "--out", "out"]


def _folder(files: Mapping[str, Json], folder: Path, rng: random.Random) -> None:
    spoiled = rng.choice(list(files))
    for name, document in files.items():
        write(folder / "out" / name, document, rng, name == spoiled or rng.random() < 0.1)


def for_scaling(bases: Bases, folder: Path, rng: random.Random) -> list[str]:
    _folder(bases.sweep, folder, rng)
    return ["--report-only", "--out", "out"]


def for_experiments(bases: Bases, folder: Path, rng: random.Random) -> list[str]:
    _folder(bases.experiments, folder, rng)
    return ["--collect", "--out", "out"]


Main = Callable[[Sequence[str]], int]
# name: what makes its files and arguments, how often of a hundred, and its exit codes.
SCRIPTS: dict[str, tuple[Main, Callable[[Bases, Path, random.Random], list[str]], int,
                         tuple[int, ...]]] = {
    "compare.py": (compare.main, for_compare, 60, (0, 1, 2)),
    "heatmap.py": (heatmap.main, for_heatmap, 10, (0, 2)),
    "model.py": (model.main, for_model, 10, (0, 2)),
    "experiments.py": (experiments.main, for_experiments, 15, (0, 2, 3, 4, 5, 130)),
    "scaling.py": (scaling.main, for_scaling, 5, (0, 2, 3, 4, 5, 130))}


class _Hung(BaseException):
    """Which no script catches."""


def call(name: str, main: Main, args: list[str]) -> tuple[Ended, str]:
    """Runs a script in this process as its file does; with the traceback, if there was one."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    kept = sys.stdout, sys.stderr, sys.argv

    def on_alarm(_signal: int, _frame: object) -> None:
        raise _Hung
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(_HANGS_AFTER_S)
    code, trace, hung = 70, "", False
    try:
        sys.stdout, sys.stderr = streams
        sys.argv = [name, *args]
        cli.run_script(name, main)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    except _Hung:
        hung = True
    except BaseException:  # all that ends a script with a traceback
        trace = traceback.format_exc()
    finally:
        signal.alarm(0)
        sys.stdout, sys.stderr, sys.argv = kept
    data = []
    for stream in streams:
        stream.flush()
        stream.seek(0)
        data.append(stream.buffer.read())
    return Ended(code, data[0], data[1], hung), trace


# No figure is one of these; texts of our own with such words are not among the odd ones.
_NO_NUMBER = re.compile(rb"(?<![\w.])[-+]?(nan|inf|None)(?![\w.-])")

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


def judge(name: str, ended: Ended, trace: str, codes: Sequence[int], folder: Path) -> Iterator[str]:
    if ended.hung:
        yield f"{name}: it hung"
        return
    if trace:
        where = re.findall(r'File "[^"]*/convscale/([^"]*)", line ([0-9]+)', trace)
        at = ":".join(where[-1]) if where else "?"
        yield f"{name}: traceback at {at}: {trace.strip().splitlines()[-1][:150]}"
        return
    lines = ended.err_lines
    if ended.code not in codes:
        yield f"{name}: exit code {ended.code}"
    if any(not line.startswith(f"{name}: ") for line in lines):
        yield f"{name}: a line that is no message"
    if ended.code == 2 and len(lines) != 1:
        yield f"{name}: exit code 2 with {len(lines)} lines"
    if ended.code == 2 and ended.out:
        yield f"{name}: exit code 2 with something on standard output"
    for path in [path for pattern in ("out.*", "out/report.md", "out/index.html", "out/plots/*",
                                      "out/results.json") for path in folder.glob(pattern)]:
        data = path.read_bytes()
        if path.suffix == ".json":
            try:
                json.loads(data, parse_constant=lambda text: float("x" + text))
            except ValueError as error:
                yield f"{name}: wrote JSON that is none: {str(error)[:50]}"
        elif _NO_NUMBER.search(data):
            yield f"{name}: {path.name} holds {_NO_NUMBER.search(data)[0].decode()}"  # type: ignore
        if _CONTROL.search(data):
            yield f"{name}: {path.name} holds control characters"
    if _CONTROL.search(ended.out) or _CONTROL.search(ended.err):
        yield f"{name}: printed control characters"
    if found := _NO_NUMBER.search(ended.out):
        yield f"{name}: printed {found[0].decode()}"


def main() -> None:
    parser = parser_of(__doc__ or "", count=120)
    parser.add_argument("--only", type=int, metavar="N", help="the N-th alone, with its traceback")
    options = parser.parse_args()
    campaign = Campaign("results files", options.seed)
    warnings.simplefilter("error", RuntimeWarning)  # of NumPy, about figures that are none
    names = list(SCRIPTS)
    weights = [SCRIPTS[name][2] for name in names]
    with Place() as place:
        bases = make_bases(options.program.resolve(), place.beside)
        for index in range(options.count) if options.only is None else [options.only]:
            rng = random.Random(f"{options.seed} {index}")
            folder = place.empty()
            name = rng.choices(names, weights)[0]
            main_of, make, _, codes = SCRIPTS[name]
            args = make(bases, folder, rng)
            with contextlib.chdir(folder):
                ended, trace = call(name, main_of, args)
                campaign.add(ended, list(judge(name, ended, trace, codes, folder)),
                             f"--seed {options.seed} --only {index} ({name} {' '.join(args)})")
            if options.only is not None:
                print(trace or ended.err.decode())
    if campaign.runs >= 100 and not {0, 2} <= set(campaign.codes):
        campaign.complain("some exit codes never came", f"--seed {options.seed}")
    campaign.finish()


if __name__ == "__main__":
    main()
