# SPDX-License-Identifier: Apache-2.0
"""Folders and rooms include what is below them, and nothing back."""
from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each may include itself and what stands behind it. The last of `bench` hold the program.
FLOORS = ["bench", "bench/ranks", "bench/measure", "bench/report", "bench/cli", "bench/data",
          "common"]
BACKENDS = {"cpu": {"cpu", "common"}, "cuda": {"cuda", "common"}, "common": {"common"}}


def room_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "bench" and len(parts) > 2 else parts[0]


def allowed(room: str) -> set[str]:
    if room in BACKENDS:
        return BACKENDS[room]
    below = set(FLOORS[FLOORS.index(room):])
    return below | {"cpu", "cuda"} if room == "bench" else below


def test_includes_point_down() -> None:
    seen, wrong = 0, []
    for folder in ("bench", "common", "cpu", "cuda"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix not in (".cpp", ".hpp", ".cu"):
                continue
            name = str(file.relative_to(ROOT))
            for line in file.read_text(encoding="utf-8").splitlines():
                found = re.match(r'#include "((?:bench|common|cpu|cuda)/[^"]+)"', line)
                if not found:
                    continue
                seen += 1
                if room_of(found[1]) not in allowed(room_of(name)):
                    wrong.append(f"{name} includes {found[1]}")
    assert seen > 300
    assert wrong == []
