#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu_report.sh that is cut off: signals, limits, a budget that is up, files that cannot be
written, bad input. No verdict rests on how fast the machine is: what hangs does so for ever.

    gpu_report_ends_test.py --program build/release/bin/convscale --scripts scripts
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import gpu_report_bench as bench


class InterruptTest(bench.GpuReportTest):
    def assert_partial(self, text: str) -> None:
        """The rows before the one that hung are in report and bundle."""
        self.assertEqual(self.step_of("probe")[0], "ok")
        self.assertEqual(self.step_of("ours")[:1] + self.step_of("ours")[3:4],
                         ["cut short", "interrupted"])
        self.assertIn("* interrupted: `large`, `memcheck`", text)
        self.assert_row(text, "resident strided", "33 x 1000^2", "0.90", "met")
        folder = self.unpack()
        self.assertEqual((folder / "report.md").read_text(), text)
        records = json.loads((folder / "runs" / "ours.json").read_text())["records"]
        self.assertEqual({r["kernel"] for r in records}, {"vector"})
        self.assertIn("cut short", self.said)  # on standard output, too

    def test_a_signal_leaves_report_and_bundle_with_what_was_measured(self) -> None:
        for number in (signal.SIGINT, signal.SIGHUP):  # SIGTERM: below
            with self.subTest(number):
                self.out = self.folder / number.name / "out"
                self.out.parent.mkdir()
                (self.bin / "hangs").unlink(missing_ok=True)
                self.behave(hanging_kernel="tiled")
                running = self.start("--steps", "probe,ours,large,memcheck")
                self.assert_partial(self.interrupt(running, self.bin / "hangs", number))

    def test_who_asks_twice_gets_the_records_all_the_same(self) -> None:
        self.behave(hanging_kernel="tiled", seconds_to_end=1)
        running = self.start("--steps", "probe,ours,large,memcheck")
        self.wait_for((self.bin / "hangs").exists)
        for _ in range(3):
            running.send_signal(signal.SIGTERM)
            time.sleep(0.2)  # less than the program takes to end; else nobody is asked twice
        self.assert_partial(self.end(running, 130))

    def test_a_step_that_is_deaf_is_killed_with_its_children(self) -> None:
        running = self.start("--steps", "tests,ours", HANGS="gpu_test", DEAF="1")
        text = self.interrupt(running, Path(f"{self.calls_file}.child"))
        self.assertEqual(self.step_of("tests")[0], "cut short")
        self.assertIn("* interrupted: `ours`", text)
        self.unpack()

    def test_a_signal_while_the_machine_is_described(self) -> None:
        self.add(self.tools / "lscpu", bench.TOOL)
        self.limit(machine=200)
        running = self.start("--steps", "ours", "--budget", 1000, HANGS="lscpu")
        self.interrupt(running, Path(f"{self.calls_file}.hangs"))
        self.assertEqual(self.step_of("ours")[0], "not done")
        self.unpack()

    def test_the_clocks_end_even_where_the_script_is_killed(self) -> None:
        self.behave(hanging_kernel="tiled")
        running = self.start("--steps", "ours")
        self.wait_for(lambda: (self.bin / "hangs").exists() and (self.bin / "hangs").read_text())
        self.wait_for(Path(f"{self.calls_file}.clocks").exists)
        running.kill()
        running.communicate()
        self.assert_all_ended()
        # What was done before is there.
        self.assertIn("machine", (self.unpack() / "report.md").read_text())
        os.kill(int((self.bin / "hangs").read_text()), signal.SIGKILL)


class LimitsTest(bench.GpuReportTest):
    def test_a_step_over_its_limit_keeps_what_it_has_and_the_others_go_on(self) -> None:
        self.behave(hanging_kernel="tiled")
        self.limit(machine=1, ours=1)
        text = self.report(0, "--steps", "ours,probe")
        self.assertEqual(self.step_of("ours")[0], "cut short")
        self.assertEqual(self.step_of("probe")[0], "ok")
        self.assertIn("**cut short**", text)

    def test_what_is_deaf_is_killed_with_its_children_and_the_others_go_on(self) -> None:
        self.limit(machine=1, tests=5, grace=1)  # it becomes deaf in that time
        self.report(5, "--steps", "tests,probe", HANGS="gpu_test", DEAF="1")
        self.assertEqual(self.step_of("tests")[0], "failed")
        self.assertRegex(self.step_of("tests")[3], "^not finished after its limit of [0-9]+ s$")
        self.assertEqual(self.step_of("probe")[0], "ok")

    def test_what_is_deaf_when_the_budget_is_up_is_cut_short_and_the_rest_left_out(self) -> None:
        self.limit(machine=1, tests=99, grace=1)
        for budget in (20, 40, 80):  # how much comes before depends on the machine
            self.out = self.folder / str(budget)
            text = self.report(0, "--steps", "tests,probe,memcheck", "--budget", budget,
                               HANGS="gpu_test", DEAF="1")
            if self.step_of("tests")[0] != "not done":
                break
        self.assertEqual(self.step_of("tests")[:1] + self.step_of("tests")[3:4],
                         ["cut short", "the time of the report was up"])
        self.assertIn("* no time left: `probe`, `memcheck`", text)

    def test_a_limit_grows_by_what_earlier_steps_left(self) -> None:
        """The machine's 200 s are not used, so that 1 s is no limit for what hangs."""
        self.behave(hanging_kernel="tiled")
        self.limit(machine=200, ours=1)
        running = self.start("--steps", "ours", "--budget", 1000)
        self.wait_for((self.bin / "hangs").exists)
        time.sleep(2)
        self.interrupt(running, self.bin / "hangs")
        self.assertEqual(self.step_of("ours")[3], "interrupted")  # and not its limit

    def test_a_slow_sanitizer_has_not_failed(self) -> None:
        for says, outcome, code, limit in (
                (r"========= Error: process didn't terminate\n", "cut short", 0, 1),
                (r"========= Invalid __global__ write of size 4\n", "failed", 5, 5)):
            with self.subTest(says):
                self.limit(machine=1, memcheck=limit, grace=1)
                self.out = self.folder / f"out of {outcome} {len(says)}"
                text = self.report(code, "--steps", "memcheck,racecheck", SLOW_TOOL="memcheck",
                                   SLOW_SAYS=says)
                self.assertEqual(self.step_of("memcheck")[0], outcome)
                self.assertEqual(self.step_of("racecheck")[0], "ok")
                self.assertIn(f"**{outcome}**", text)

    def test_a_plan_has_its_budget(self) -> None:
        for plan, options, budget in (("first", [], 230), ("second", [], 370), ("tests", [], 460),
                                      ("first", ["--budget", 99], 99)):
            with self.subTest(plan):
                self.out = self.folder / f"{plan}{budget}"
                running = self.start("--steps", plan, *options, HANGS="gpu_test")
                log = self.out / "report.log"
                self.wait_for(lambda: log.exists() and "begun" in log.read_text())
                self.assertIn(f"--budget {budget},", log.read_text())
                running.send_signal(signal.SIGTERM)
                self.end(running, 130)

    def test_no_time_at_all_is_a_failure(self) -> None:
        text = self.report(5, "--time-limit", 3, "--steps", "tests,ours")
        self.assertIn("* no time left: `machine`, `tests`, `ours`", text)


class WritingTest(bench.GpuReportTest):
    def test_a_bundle_that_cannot_be_written_later_is_said_and_the_steps_go_on(self) -> None:
        bundle = self.out / "report.tgz"
        text = self.report(5, "--steps", "tests,ours",
                           DOES=f"rm -f '{bundle}'; mkdir -p '{bundle}/a'; kill -SEGV $$")
        self.assertEqual(self.step_of("tests")[0], "failed")
        self.assertEqual(self.step_of("ours")[0], "ok")
        self.assertEqual(self.errors.count("report.tgz: cannot be written"), 1, self.errors)
        self.assertIn("## All rows of 33 x 1000^2", text)
        self.assertTrue(self.said.startswith("# GPU report"))

    def test_a_folder_that_is_spoiled_later_ends_nothing(self) -> None:
        self.report(5, "--steps", "tests,probe",
                    DOES=f"rm -rf '{self.out}/runs'; touch '{self.out}/runs'")
        self.assertEqual(len(self.steps()), 3)
        self.assertTrue(self.unpack().is_dir())

    def test_a_report_that_cannot_be_written_comes_on_standard_output(self) -> None:
        names = [f"'{self.out}/{name}'" for name in (".report.md", ".short.md")]
        text = self.report(5, "--steps", "tests,probe", DOES=f"mkdir -p {' '.join(names)}")
        self.assertEqual([step[0] for step in self.steps()], ["ok", "ok", "ok"])
        self.assertEqual(self.errors.count("/report.md: cannot be written"), 1, self.errors)
        self.assertIn("| machine | ok |", text)  # of the step before
        self.assertTrue(self.said.startswith("# GPU report"), self.said)
        self.assertRegex(self.said, r"ok, \d+, probe")

    def test_half_a_report_does_not_take_the_place_of_a_whole_one(self) -> None:
        """As on a disk that is full."""
        half = "import sys\nopen(sys.argv[4], 'w').write('half')\nsys.exit(5)\n"
        (self.package / "half.py").write_text(half)
        text = self.report(5, "--steps", "tests,probe",
                           DOES=f"cp '{self.package}/half.py' '{self.package}/gpu_report.py'")
        self.assertIn("| machine | ok |", text)
        self.assertRegex(self.said, r"ok, \d+, probe")

    def test_a_bundle_has_its_size(self) -> None:
        text = self.report(0, "--steps", "tests,probe", CONVSCALE_MOST_BUNDLE_BYTES="100000",
                           DOES="head -c 900000 /dev/urandom | base64; echo 'the end'")
        self.assertLess((self.out / "report.tgz").stat().st_size, 100001)
        folder = self.unpack()
        self.assertIn("runs/tests.txt: its middle is left out",
                      (folder / "left_out.txt").read_text())
        shortened = (folder / "runs" / "tests.txt").read_text()
        self.assertRegex(shortened, r"the middle of this file of 12\d{5} bytes is left out")
        self.assertIn("[  PASSED  ] 12 tests.", shortened)
        self.assertEqual((folder / "report.md").read_text(), text)
        self.assertGreater((self.out / "runs" / "tests.txt").stat().st_size, 1200000)

    def test_a_bundle_that_is_whole_is_replaced_by_one_that_is_whole(self) -> None:
        """At no moment is there half a bundle."""
        running = self.start("--steps", "tests,probe,ours")
        seen = set()
        while running.poll() is None:
            time.sleep(0.01)
            try:
                with tarfile.open(self.out / "report.tgz") as bundle:
                    seen.update(bundle.getnames())
            except FileNotFoundError:
                pass
        self.end(running, 0)
        self.assertTrue(all(name.startswith("out") for name in seen), seen)

    def test_a_copy_of_the_bundle_goes_where_it_is_wanted(self) -> None:
        (self.folder / "back").mkdir()
        copy = self.folder / "back" / "b.tgz"
        self.behave(hanging_kernel="tiled")
        running = self.start("--bundle", copy, "--steps", "probe,ours")
        self.wait_for(lambda: (self.bin / "hangs").exists())
        self.assertGreater(copy.stat().st_size, 0, "after every step")
        self.interrupt(running, self.bin / "hangs", signal.SIGTERM)
        self.assertEqual(copy.read_bytes(), (self.out / "report.tgz").read_bytes())
        self.assertEqual(list(copy.parent.iterdir()), [copy])

    def test_a_copy_that_cannot_be_written_later_is_said(self) -> None:
        copy = self.folder / "back" / "b.tgz"
        copy.parent.mkdir()
        self.report(5, "--bundle", copy, "--steps", "tests,ours",
                    DOES=f"rm -rf '{copy.parent}'; touch '{copy.parent}'")
        self.assertEqual(self.errors.count(f" {copy}: cannot be written"), 1, self.errors)
        self.assertTrue(self.unpack().is_dir())

    def test_nobody_need_read_what_it_says(self) -> None:
        reader, writer = os.pipe()
        running = subprocess.Popen(
            [self.package / "gpu_report.sh", "--out", self.out, "--steps", "probe,ours"],
            stdout=writer, stderr=writer,
            env={**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}",
                 "CALLS": str(self.calls_file)})
        os.close(writer)
        os.close(reader)
        self.assertEqual(running.wait(timeout=240), 0)
        self.assertEqual(self.step_of("ours")[0], "ok")
        self.unpack()


class BuildTest(bench.GpuReportTest):
    def tree(self, cmake: str) -> None:
        """A source tree with such a cmake, and packages that are said to be there."""
        self.package = self.folder / "tree" / "scripts"
        shutil.copytree(self.folder / "package", self.package, ignore=lambda *_: ["bin"])
        shutil.copy(bench.SCRIPTS / "prepare.sh", self.package)
        self.add(self.tools / "cmake", "#!/bin/bash\n" + cmake)
        self.add(self.tools / "nvcc", "#!/bin/bash\n")
        self.add(self.tools / "dpkg-query", "#!/bin/bash\necho installed\n")

    def test_a_failed_build_leaves_what_is_known_without_it(self) -> None:
        self.tree("echo 'b.cu(3): error: made up'; echo 'ninja: stopped'; exit 1")
        text = self.report(5, "--steps", "ours,tests")
        self.assertEqual(self.step_of("build")[0], "failed")
        self.assertEqual(self.step_of("build")[3], "exit 1: b.cu(3): error: made up")
        self.assertIn("* the build failed: `ours`, `tests`", text)
        self.assertEqual(self.step_of("machine")[0], "ok")
        self.assertIn("$ lscpu", (self.out / "machine.txt").read_text())

    def test_a_source_tree_is_built_first(self) -> None:
        self.tree(f"mkdir -p build/cuda; ln -sfn '{self.bin}' build/cuda/bin")
        self.report(0, "--steps", "ours")
        self.assertEqual([step[:1] + step[2:3] for step in self.steps()],
                         [["ok", "build"], ["ok", "machine"], ["ok", "ours"]])

    def test_a_failed_build_is_named_by_its_first_error(self) -> None:
        for log, line in (
                ("-- Found all\nCMake Error at CMakeLists.txt:3 (find_package):\n\n  fmt was not\n"
                 "  found\n-- Configuring incomplete\n",
                 "CMake Error at CMakeLists.txt:3 (find_package): fmt was not"),
                ("[1/9] Building common/error.cpp.o\nFAILED: b.o\nc++ -Werror -c b.cpp\n"
                 "b.cpp:1:2: error: no such thing\nb.cpp:9:9: error: another\nninja: stopped\n",
                 "b.cpp:1:2: error: no such thing"),
                ("FAILED: b.o\nb.cu(12): error: identifier x\nninja: stopped\n",
                 "b.cu(12): error: identifier x"),
                ("nvcc fatal   : Unsupported gpu architecture\nninja: stopped\n",
                 "nvcc fatal   : Unsupported gpu architecture"),
                ("ld: b.o: undefined reference to `f'\ncollect2: error: ld returned 1\n",
                 "ld: b.o: undefined reference to `f'"),
                ("one\ntwo\n\n", "two")):
            with self.subTest(line):
                file = self.folder / "log"
                file.write_text(log)
                done = subprocess.run(
                    ["bash", "-c", 'source "$1/gpu_report_steps.sh"; first_error "$2"', "bash",
                     self.package, file], capture_output=True, text=True, check=True)
                self.assertEqual(done.stdout, line + "\n")


class BadInputTest(bench.GpuReportTest):
    def test_bad_options_are_one_line_and_begin_nothing(self) -> None:
        (self.folder / "file").touch()
        full = self.folder / "full"
        (full / "x").mkdir(parents=True)
        cases: tuple[tuple[list[object], str], ...] = (
                (["--budget", "0"], "--budget 0: expected whole seconds"),
                (["--budget", "-3"], "--budget -3"), (["--budget", "1.5"], "--budget 1.5"),
                (["--time-limit", "0"], "--time-limit 0: expected"),
                (["--steps", "first,tets"], "there is no step tets; --list-steps"),
                (["--steps", "ours,"], "there is no step"), (["--steps", ","], "there is no step"),
                (["--steps", "run ours"], "there is no step run ours"),
                (["--steps", "a.*"], "there is no step a.*"), (["--steps"], "a value is missing"),
                (["--steps", ""], "a value is missing"), (["--fast"], "--fast: no such option"),
                (["--bin", self.folder], "there is no program convscale"),
                (["--out", full], "is there and not empty"),
                (["--out", self.folder / "file" / "x"], "cannot be made"),
                (["--out", self.folder / "file"], "is there and not empty"),
                (["--out", "/proc/made-up"], "cannot be made"),
                (["--bundle", self.folder], "cannot be written"),
                (["--bundle", "/proc/made-up"], "cannot be written"))
        for options, says in cases:
            with self.subTest(options):
                done = subprocess.run([self.package / "gpu_report.sh", "--out", self.out,
                                       *map(str, options)],
                                      capture_output=True, text=True, env={
                                          **os.environ, "CALLS": str(self.calls_file)})
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertFalse(self.out.exists())
        self.assertEqual(self.calls("convscale"), [])

    def test_the_steps_and_plans_are_listed(self) -> None:
        done = subprocess.run([self.package / "gpu_report.sh", "--list-steps"], text=True,
                              capture_output=True, check=True)
        for text in ("racecheck", "--steps first: machine tests ours large ", "--steps second: "):
            self.assertIn(text, done.stdout)


if __name__ == "__main__":
    bench.main()
