#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs scripts/gpu_report.sh with a made-up program (made_up_program.py), and without a device.

    gpu_report_test.py --program build/release/bin/convscale --scripts scripts
"""
from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

PROGRAM = Path()
SCRIPTS = Path()
# With this very interpreter: env may find a slow wrapper, and a report starts it some forty times.
MADE_UP_PROGRAM = f"#!{sys.executable} -BSE\n" + (
    Path(__file__).resolve().parent / "made_up_program.py").read_text()

GPU_TEST = """#!/bin/sh
[ -z "$GPU_TEST_OUTPUT" ] || { printf '%b' "$GPU_TEST_OUTPUT"; exit "$GPU_TEST_CODE"; }
printf '[       OK ] Cuda/EveryKernel.FullFloat64/tiled (1 ms)\\n'
printf '[  SKIPPED ] Cuda/EveryKernel.FullFloat64/vector (0 ms)\\n'
printf '[  PASSED  ] 12 tests.\\n[  SKIPPED ] 1 test, listed below:\\n'
printf '[  SKIPPED ] Cuda/EveryKernel.FullFloat64/vector\\n'
"""
SANITIZER = """#!/bin/sh
tool=$2
shift 4
"$@" || exit
[ "$tool" != "$SILENT_TOOL" ] || exit 0
echo "========= ERROR SUMMARY: 0 errors"
[ "$tool" != "$FAILING_TOOL" ] || exit 9
"""


class GpuReportTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="convscale gpu report ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.bin = self.folder / "bin"
        self.out = self.folder / "out"
        self.bin.mkdir()
        done = subprocess.run([PROGRAM, "--size", "8", "--mem", "64", "--json", "-"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.bin / "template.json").write_text(done.stdout)
        self.add_program("convscale", MADE_UP_PROGRAM)
        self.add_program("gpu_test", GPU_TEST)
        self.add_program("compute-sanitizer", SANITIZER)
        self.behave()

    def add_program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def behave(self, **behaviour: Any) -> None:
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def start(self, *options: object, **environment: str) -> subprocess.Popen[str]:
        variables = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", **environment}
        return subprocess.Popen(
            [SCRIPTS / "gpu_report.sh", "--bin", self.bin, "--out", self.out, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)

    def report(self, code: int, *options: object, **environment: str) -> str:
        """The Markdown of a run that must end with `code`."""
        running = self.start(*options, **environment)
        _, self.errors = running.communicate(timeout=240)
        self.assertEqual(running.returncode, code, self.errors)
        return (self.out / "report.md").read_text()

    def assert_row(self, text: str, *cells: str) -> None:
        """There is a row of a table with these cells, in this order."""
        pattern = r".*\| ".join(re.escape(cell) for cell in cells)
        self.assertRegex(text, rf"(?m)^\| .*{pattern} \|.*$")

    def step_of(self, name: str) -> list[str]:
        lines = [line.split("\t") for line in (self.out / "steps.tsv").read_text().splitlines()]
        found = [line for line in lines if line[2] == name]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def test_everything_works(self) -> None:
        text = self.report(0)
        self.assertNotIn("Not done", text)
        self.assertIn("12 passed, 0 failed, 1 skipped", text)
        self.assertIn("1 skipped: `Cuda/EveryKernel.FullFloat64/vector`", text)
        self.assertIn("made-up device", text)
        self.assert_row(text, "resident strided", "33 x 1000^2", "float64", "0.85", "0.90", "met")
        self.assert_row(text, "resident full", "33 x 1000^2", "float32", "0.75", "0.80", "met",
                        "of the bound by kernel_s; brand_new, 1 stream")
        self.assert_row(text, "resident strided", "8192 x 256^2", "float64", "0.89", "met")
        self.assert_row(text, "end-to-end full", "8192 x 256^2", "float32", "0.95", "met")
        self.assert_row(text, "over cudnn, resident strided", "33 x 1000^2", "9.00", "met")
        self.assert_row(text, "over cudnn, resident full", "33 x 1000^2", "4.00", "missed")
        # A kernel that nobody told the script about, and every workload.
        for workload in ("33 x 1000^2", "8192 x 256^2", "268 x 1000^2"):
            self.assertIn(f"## All rows of {workload}", text)
        self.assert_row(text, "strided", "resident", "float32", "cuda", "brand_new")
        # Large batches: vouched for by the digest of the verified row of auto.
        self.assertIn("same digest as a verified row", text)
        self.assert_row(text, "33 x 1000^2", "full", "float64", "brand_new", "4", "2.00")
        self.assertIn("skipped: vector does not do full", text)
        self.assertEqual(self.step_of("racecheck")[0], "ok")
        self.assert_all_is_measured()

    def assert_all_is_measured(self) -> None:
        seen = set()
        for file in (self.out / "runs").glob("*.json"):
            for r in json.loads(file.read_text())["records"]:
                seen.add((r["images"], r["kernel"], r["method"], r["scope"], r["dtype"]))
        for images in (33, 8192, 268):
            for kernel in ("vector", "tiled", "direct", "cudnn", "brand_new"):
                for method in ("strided", "full"):
                    for scope in ("resident", "end-to-end"):
                        for dtype in ("float64", "float32"):
                            self.assertIn((images, kernel, method, scope, dtype), seen)

    def test_a_wrong_result_fails_and_is_no_best(self) -> None:
        self.behave(wrong_kernel="vector")
        text = self.report(5)
        self.assertEqual(self.step_of("33x1000-vector")[0], "failed")
        self.assertEqual(self.step_of("33x1000-tiled")[0], "ok")
        self.assert_row(text, "resident strided", "33 x 1000^2", "0.50", "missed")
        self.assertIn("failed: verification failed: made up", text)

    def test_more_than_the_hardware_can_do_meets_no_target(self) -> None:
        self.behave(efficiency={"vector": 1.2})
        text = self.report(0)
        self.assert_row(text, "resident strided", "33 x 1000^2", "1.20!",
                        "doubtful: more than the hardware can do")
        # By its own clock the launch is counted, too.
        self.assert_row(text, "strided", "resident", "float64", "cuda", "vector", "1.20!")
        self.assert_row(text, "8192 x 256^2", "strided", "resident", "float64", "vector", "1.19!")
        self.assertIn('\n"!": more than the hardware can do', text)

    def test_what_can_be_carries_no_mark(self) -> None:
        text = self.report(0)
        self.assertIn("of bound", text)
        self.assertNotRegex(text, "[0-9]!|^\"!\"")

    def test_an_unverified_row_meets_no_target(self) -> None:
        self.behave(efficiency={"tiled": 1.0}, kernel_with_digests_of_its_own="tiled")
        text = self.report(0)
        self.assert_row(text, "resident strided", "33 x 1000^2", "1.00", "met")
        self.assert_row(text, "resident strided", "8192 x 256^2", "float64", "0.89", "met",
                        "of the bound by the clock; vector, 4 streams")
        self.assert_row(text, "strided", "resident", "float64", "cuda", "tiled", "not verified")

    def test_an_unreadable_record_is_said(self) -> None:
        self.report(0)
        (self.out / "runs" / "8192x256-auto.json").write_text('{"schema_version": "1", ')
        done = subprocess.run([sys.executable, "-B", SCRIPTS / "gpu_report.py", self.out],
                              capture_output=True, text=True, check=True)
        self.assertIn("* unreadable: 8192x256-auto.json: ", done.stdout)
        self.assertIn("## All rows of 33 x 1000^2", done.stdout)

    def test_a_missing_library_is_no_failure(self) -> None:
        self.behave(missing_kernel="cudnn")
        text = self.report(0)
        self.assertIn("not possible: convscale: row 1: made-up library is missing: `33x1000-cudnn`",
                      text)
        self.assert_row(text, "over cudnn, resident full", "33 x 1000^2", "not measured")

    def test_failing_tests_and_tools_fail(self) -> None:
        text = self.report(
            5, GPU_TEST_CODE="1", FAILING_TOOL="racecheck", SILENT_TOOL="synccheck",
            GPU_TEST_OUTPUT=r"[  FAILED  ] Data.Made, where GetParam() = 1 (1 ms)\n"
            r"[  PASSED  ] 3 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Data.Made\n")
        self.assertIn("3 passed, 1 failed, 0 skipped", text)
        self.assertIn("1 failed: `Data.Made`", text)
        self.assertEqual(self.step_of("gpu_test")[0], "failed")
        self.assertEqual(self.step_of("racecheck")[0], "failed")

    def test_a_tool_that_reports_fails(self) -> None:
        self.report(5, FAILING_TOOL="racecheck", SILENT_TOOL="synccheck")
        self.assertEqual(self.step_of("memcheck")[0], "ok")
        self.assertEqual(self.step_of("racecheck")[0], "failed")
        self.assertIn("no summary", self.step_of("synccheck")[3])

    def test_no_test_at_all_is_a_failure(self) -> None:
        self.report(5, GPU_TEST_CODE="0", GPU_TEST_OUTPUT=r"[  PASSED  ] 0 tests.\n")
        self.assertEqual(self.step_of("gpu_test")[0], "failed")

    def test_without_a_device(self) -> None:
        self.behave(no_device="made up: no driver")
        text = self.report(3, GPU_TEST_CODE="0",
                           GPU_TEST_OUTPUT=r"[  PASSED  ] 0 tests.\n[  SKIPPED ] 7 tests, listed\n")
        self.assertIn("0 passed, 0 failed, 7 skipped", text)
        self.assertRegex(text, r"\* no device: made up: no driver: `33x1000-vector`, .*`racecheck`")
        self.assertIn("None of the 24 was measured", text)
        self.assertEqual(list((self.out / "runs").glob("*.json")), [])

    def test_without_a_device_the_program_must_say_so(self) -> None:
        self.behave(no_device="made up", code_without_device=1)
        self.report(5)

    def test_the_real_program_without_a_device(self) -> None:
        listed = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True).stdout
        if re.search(r"(?m)^cuda +device +\S+ +supported", listed):
            self.skipTest("there is a device")
        (self.bin / "convscale").unlink()
        (self.bin / "convscale").symlink_to(PROGRAM)
        self.assertIn("exit 3 as it should: convscale: --backend cuda: ", self.report(3))

    def report_of_hanging(self, code: int) -> str:
        """The Markdown of a run with too little time for a program that does not end, and enough
        for what comes before: how much that is depends on the machine."""
        for time_limit in (16, 32, 64):
            running = self.start("--time-limit", time_limit)
            _, self.errors = running.communicate(timeout=240)
            if self.step_of("33x1000-tiled")[0] != "not done":
                break
        self.assertEqual(running.returncode, code, self.errors)
        self.assertEqual(self.step_of("33x1000-vector")[0], "ok")
        return (self.out / "report.md").read_text()

    def test_the_time_is_kept(self) -> None:
        self.behave(hanging_kernel="tiled")
        text = self.report_of_hanging(0)
        self.assertEqual(self.step_of("33x1000-tiled")[0], "cut short")
        self.assertRegex(text, r"\* no time left: `33x1000-direct`, .*`memcheck`")

    def test_no_time_at_all_is_a_failure(self) -> None:
        text = self.report(5, "--time-limit", 3)
        self.assertIn("* no time left: `list of devices and kernels`, `gpu_test`", text)

    def test_a_program_that_does_not_end_is_killed(self) -> None:
        self.behave(hanging_kernel="tiled", deaf=True)
        self.report_of_hanging(5)
        self.assertEqual(self.step_of("33x1000-tiled")[0], "failed")

    def test_an_interrupt_leaves_a_report(self) -> None:
        self.behave(hanging_kernel="tiled")
        running = self.start()
        end = time.monotonic() + 240
        while not (self.bin / "hangs").exists() and time.monotonic() < end:
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=240)
        self.assertEqual(running.returncode, 130, errors)
        self.assertEqual(self.step_of("33x1000-tiled")[0], "cut short")
        self.assertIn("* interrupted: `33x1000-direct`", (self.out / "report.md").read_text())

    def test_without_python(self) -> None:
        self.add_program("python3", "#!/bin/sh\nexit 127\n")
        self.add_program("convscale", "#!/bin/sh\nexec " + f"'{sys.executable}' '{self.bin}/model' "
                         '"$@"\n')
        self.add_program("model", MADE_UP_PROGRAM)
        text = self.report(0)
        self.assertIn("## 33x1000-vector", text)
        self.assertIn("a table of 16 made-up rows", text)
        self.assertIn("not done, 0, tables of report.md, no Python 3.6 or later here", text)

    def test_bad_options(self) -> None:
        self.out.mkdir()
        (self.out / "file").touch()
        for options in (["--out", self.out], ["--time-limit", "0"], ["--bin", self.folder],
                        ["--out"], ["--fast"]):
            done = subprocess.run([SCRIPTS / "gpu_report.sh", *options], capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 2, options)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--scripts", type=Path, required=True)
    known, rest = parser.parse_known_args()
    PROGRAM, SCRIPTS = known.program.resolve(), known.scripts.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
