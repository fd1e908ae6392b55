# SPDX-License-Identifier: Apache-2.0
"""Running scripts/baseline.py small, for its tests."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from forked import Script
from numpy.typing import NDArray

from convscale import baseline

BASELINE = Script("baseline.py", baseline.main)
POOLS = ("scipy-spawn", "scipy-fork", "scipy-forkserver")


def command(*options: object) -> list[str]:
    """For a shell."""
    return [sys.executable, "-B", str(BASELINE.path), *map(str, options)]


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return BASELINE.run(*options, env={**os.environ, **environment})


def records_of(folder: Path, *options: object) -> list[dict[str, Any]]:
    """The records of a run that must succeed."""
    path = folder / "run.json"
    done = run(*options, "--json", path)
    assert done.returncode == 0, done.stderr
    document = json.loads(path.read_text())
    assert document["schema_version"] == "1" and not document["interrupted"]
    records: list[dict[str, Any]] = document["records"]
    return records


def saved(folder: Path) -> list[NDArray[Any]]:
    return [np.load(folder / f"{name}.npy") for name in ("images", "filters", "results")]
