# SPDX-License-Identifier: Apache-2.0
"""An option that no script knows by name: scripts take it from the program's schema."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from scaling_model import document, record


def test_is_part_of_the_workload_and_of_tables(tmp_path: Path, scripts: Path) -> None:
    copied = tmp_path / "scripts"
    shutil.copytree(scripts, copied)
    schema_file = copied / "convscale" / "results.schema.json"
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    schema["properties"]["records"]["items"]["properties"]["mode"] = {
        "type": "string", "option": "--mode", "default": "full", "enum": ["full", "same"]}
    schema_file.write_text(json.dumps(schema), encoding="utf-8")

    def python(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-B", *args], cwd=tmp_path, text=True, check=False,
                              capture_output=True, env={"PYTHONPATH": str(copied)})

    rows = [record(), {**record(), "mode": "full"}, {**record(), "mode": "same"}]
    for name, row in zip(("before", "full", "same"), rows):
        (tmp_path / name).write_text(json.dumps(document([row])), encoding="utf-8")
    compare = str(copied / "compare.py")
    assert python(compare, "before", "full").returncode == 0
    for other in ("before", "full"):
        done = python(compare, other, "same")
        assert done.returncode == 2
        assert "no record in common: mode full before, same after" in done.stderr
    shown = python("-c", "import json; from convscale.table import table_text; print(table_text("
                   "[json.load(open(n))['records'][0] for n in ('before', 'full', 'same')]))")
    header, *lines = shown.stdout.splitlines()[1:5]
    column = header.split().index("mode")
    assert [line.split()[column] for line in lines] == ["full", "full", "same"]
