# SPDX-License-Identifier: Apache-2.0
"""convscale.results: files of the program are read, and no other file is more than one line."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from convscale import results
from convscale.cli import UsageError

RECORD: dict[str, Any] = {
    "status": "ok", "backend": "cpu", "kernel": "avx2", "method": "full", "scope": "end-to-end",
    "dtype": "float64", "height": 20, "width": 30, "images": 4, "filter_size": 4, "stride": 5,
    "fill": "random", "seed": 0, "num_workers": 2, "work_time": None, "times_s": [0.5, 1, 1.5],
    "median_s": 1, "bound": {"time_s": 0.25}}


def document(*records: Any, **fields: Any) -> dict[str, Any]:
    return {"schema_version": "1", "interrupted": False, "records": list(records), **fields}


def error_of(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        results.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def error_of_text(folder: Path, text: str) -> str:
    path = folder / "file.json"
    path.write_text(text, encoding="utf-8")
    return error_of(path)


def test_a_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document(RECORD)))
    read = results.load(path)
    assert (read.file, read.is_interrupted) == (str(path), False)
    (record,) = read.records
    assert (record.index, record.num_workers, record.images, record.size) == (0, 2, 4, "20x30")
    assert (record.times_s, record.median_s, record.bound_s) == ([0.5, 1, 1.5], 1, 0.25)
    assert record.is_measured and record.pixels == 2400


def test_what_the_program_writes_is_read(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    subprocess.run([program, "--size", "20", "--mem", "4000", "--num_workers", "1", "--iterations",
                    "3", "--quiet", "--json", path], check=True, capture_output=True)
    (record,) = results.load(path).records
    assert record.is_measured and len(record.times_s) == 3 and record.size == "20x20"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in error_of(tmp_path / "missing.json")
    assert "Is a directory" in error_of(tmp_path)


@pytest.mark.parametrize("content", [
    b"", b"convscale", b"\x7fELF\x02\x01\xff\xfe\x00", b"\xff\xfe{}", b"{", b"[" * 100_000,
    b'{"a":' * 100_000, b"9" * 10_000, b'{"records": [NaN]}', b"\xef\xbb\xbf{}"])
def test_what_is_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert "is not JSON" in error_of(path)


def test_every_truncation_of_a_file(tmp_path: Path) -> None:
    text = json.dumps(document(RECORD))
    for length in range(0, len(text), 7):
        assert "is not JSON" in error_of_text(tmp_path, text[:length])


@pytest.mark.parametrize("text", ["[]", "1", "null", '"text"', "{}", '{"records": {}}',
                                  '{"schema_version": "1"}'])
def test_what_is_json_of_others(tmp_path: Path, text: str) -> None:
    assert "is not a results file" in error_of_text(tmp_path, text)


@pytest.mark.parametrize("version", ["2", 1, None, ["1"]])
def test_another_schema_version(tmp_path: Path, version: Any) -> None:
    message = error_of_text(tmp_path, json.dumps(document(schema_version=version)))
    assert message == f'has schema_version {json.dumps(version)}; these scripts read "1"'


@pytest.mark.parametrize("field", [name for name in RECORD if name != "work_time"])
def test_a_field_that_is_missing(tmp_path: Path, field: str) -> None:
    record = {name: value for name, value in RECORD.items() if name != field}
    message = error_of_text(tmp_path, json.dumps(document(RECORD, record)))
    assert message.startswith(f"record 2: has no proper {field}")


@pytest.mark.parametrize("field,value", [
    ("height", "20"), ("height", 20.0), ("height", True), ("height", 0), ("width", -1),
    ("images", 0), ("num_workers", 0), ("seed", None), ("kernel", None), ("kernel", ["avx2"]),
    ("kernel", "a\nb"), ("kernel", "\x1b[31m"), ("kernel", "\ud800"), ("status", 1),
    ("times_s", {}), ("median_s", "1"), ("median_s", 0), ("median_s", -1), ("median_s", True),
    ("bound", []), ("bound", {"time_s": "1"}), ("bound", {"time_s": -1}), ("work_time", [1]),
    ("work_time", "1")])
def test_a_field_of_a_wrong_type(tmp_path: Path, field: str, value: Any) -> None:
    message = error_of_text(tmp_path, json.dumps(document({**RECORD, field: value})))
    assert message.startswith(f"record 1: has no proper {field}")


@pytest.mark.parametrize("field,value", [
    ("verification", "x"), ("verification.status", 1), ("warnings", 5), ("warnings[0]", 5),
    ("cv", "x"), ("cv", -1), ("cv", [1]), ("images_per_s", "x"), ("bytes_per_s", True),
    ("flops_per_s", {}), ("median_low_s", "x"), ("median_high_s", 0), ("noise", "x"),
    ("bound.fraction", "x"), ("bound.limit", 1), ("bound.bytes", "1"), ("bound.flops", -1),
    ("bound.read_bytes_per_s", []), ("reason", 1), ("ranks", "x"), ("ranks", 0),
    ("interleaved", 1), ("device", 1), ("digest", 1), ("path", 1), ("host_memory", 1),
    ("seed", 2**64), ("height", 10**30), ("burn_times_s", [0]), ("per_rank", "x"),
    ("per_rank[0]", 1), ("fastest_rank.rank", -1), ("slowest_rank.host", 1),
    ("slowest_rank.run_s", "x"), ("exchanged_bytes", "x"), ("wire_bytes", -1),
    ("communication_share", []), ("barrier_s", "x"),
    ("bound.network_bytes_per_s", "x"), ("distribute", 1)])
def test_an_optional_field_of_a_wrong_type(tmp_path: Path, field: str, value: Any) -> None:
    outer, _, inner = field.partition(".")
    outer, is_list, _ = outer.partition("[")
    record = {**RECORD, outer: {inner: value} if inner else [value] if is_list else value}
    message = error_of_text(tmp_path, json.dumps(document(record)))
    assert message.startswith(f"record 1: has no proper {field}")
    if field != outer or outer in ("seed", "height"):
        return
    record[field] = None  # not known
    (tmp_path / "a.json").write_text(json.dumps(document(record)))
    assert results.load(tmp_path / "a.json").records[0].is_measured


def test_what_a_record_says_of_its_ranks(tmp_path: Path) -> None:
    ranks = [{"rank": rank, "host": host, "num_workers": 1, "images": 2, "cpus": [0],
              "device": None, "kernel": "avx2", "busy_s": None, "run_s": None}
             for rank, host in enumerate(("n1", "n2", "n1"))]
    nobody = dict.fromkeys(("rank", "host", "run_s"))
    rows = [{**RECORD, "ranks": 3, "distribute": "local", "per_rank": ranks},
            {**RECORD, "ranks": 1, "distribute": None, "per_rank": None, "fastest_rank": nobody},
            RECORD]
    (tmp_path / "a.json").write_text(json.dumps(document(*rows)))
    found = results.load(tmp_path / "a.json").records
    assert [(one.ranks, one.distribute, one.nodes) for one in found] == [
        (3, "local", 2), (1, None, 1), (1, None, 1)]
    del ranks[1]["host"]
    (tmp_path / "a.json").write_text(json.dumps(document(*rows)))
    with pytest.raises(UsageError, match=r"has no proper per_rank\[1\].host"):
        results.load(tmp_path / "a.json")


@pytest.mark.parametrize("field,value", [
    ("program", "x"), ("program", {"version": 1}), ("program", {"argv": "x"}), ("host", "x"),
    ("host", {"name": []}), ("host", {"cores": "x"}), ("build", []), ("ranks", "x"),
    ("hosts", "x"), ("hosts", [1]), ("build", {"mpi": 1}),
    ("devices", "x"), ("devices", ["x"]), ("devices", [{"name": 1}]), ("wall_s", "x"),
    ("interrupted", "no"), ("started_at", 1), ("break_even", [{}]), ("break_even", {})])
def test_a_document_of_wrong_types(tmp_path: Path, field: str, value: Any) -> None:
    message = error_of_text(tmp_path, json.dumps(document(RECORD, **{field: value})))
    assert message.startswith(f"has no proper {field}")
    (tmp_path / "a.json").write_text(json.dumps(document(RECORD, **{field: None})))
    assert results.load(tmp_path / "a.json").records


@pytest.mark.parametrize("path,value", [
    (("method",), None), (("images_from",), "x"), (("cpu",), None), (("cpu", "points"), None),
    (("cpu", "points", 0, "median_s"), "x"), (("cuda", "per_image_s"), "x"), (("passes",), 1.5),
    (("upload_s",), "x"), (("images_reason",), 1)])
def test_a_break_even_of_wrong_types(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    side = {"kernel": "k", "num_workers": 1, "points": [{"images": 1, "median_s": 0.1}],
            "fixed_s": -0.1, "per_image_s": 0.2}
    entry: Any = {"method": "full", "dtype": "float64", "height": 2, "width": 2, "cpu": side,
                  "cuda": side, "images_from": None, "passes": 3, "upload_s": 0.1}
    text = json.dumps(document(RECORD, break_even=[entry]))
    (tmp_path / "a.json").write_text(text)
    assert results.load(tmp_path / "a.json").raw["break_even"] == [entry]
    changed = json.loads(text)["break_even"][0]
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    message = error_of_text(tmp_path, json.dumps(document(RECORD, break_even=[changed])))
    name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    # Sides have the names of backends: one that is none has no name.
    assert message.startswith(f"has no proper break_even[0]{'' if path == ('cpu',) else name};")


def test_a_failed_verification_is_no_measurement() -> None:
    assert not results.Record({**RECORD, "verification": {"status": "failed"}}, "a", 0).is_measured
    assert results.Record({**RECORD, "verification": {"status": "skipped"}}, "a", 0).is_measured


@pytest.mark.parametrize("value", ['"1"', "null", "true", "-1", "0", "1e999", "[1]",
                                   "1" + "0" * 400])
def test_a_time_that_is_none(tmp_path: Path, value: str) -> None:
    text = json.dumps(document(RECORD)).replace("[0.5, 1, 1.5]", f"[0.5, {value}]")
    assert error_of_text(tmp_path, text).startswith("record 1: times_s holds")


def test_records_that_are_none(tmp_path: Path) -> None:
    assert "record 2: is not an object" in error_of_text(tmp_path,
                                                         json.dumps(document(RECORD, [])))
    message = error_of_text(tmp_path, json.dumps(document({**RECORD, "status": "fine"})))
    assert "record 1: has status 'fine'; expected one of ok, skipped" in message
    message = error_of_text(tmp_path, json.dumps(document({**RECORD, "times_s": []})))
    assert "record 1: has status ok and no times" in message


def test_workloads_differ_in_each_of_their_fields() -> None:
    base = results.Record(RECORD, "a.json", 0)
    for field in ("method", "scope", "dtype", "height", "width", "images", "filter_size", "stride",
                  "fill", "seed", "work_time"):
        assert results.Record({**RECORD, field: 7}, "a.json", 0).workload != base.workload, field
    for field in ("backend", "kernel", "num_workers", "times_s"):
        assert results.Record({**RECORD, field: 7}, "a.json", 0).workload == base.workload, field
