#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu_report.sh with made-up programs: plans, outcomes, and what the report says.

    gpu_report_test.py --program build/release/bin/convscale --scripts scripts
"""
from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import gpu_report_bench as bench

FIRST = ["machine", "tests", "ours", "large", "transfers", "pageable", "probe", "memcheck",
         "racecheck"]
SECOND = ["machine", "variants", "variants-large", "variants-large-verified", "peers", "cudnn",
          "cudnn-large", "break-even", "ncu-vector-float64", "ncu-rolling-float64",
          "ncu-tiled-strided-float64", "ncu-read_all", "ncu-vector-float32", "ncu-rolling-float32",
          "ncu-tiled-full-float64", "synccheck", "initcheck", "peers-large", "tests-cudnn",
          "larger", "streams", "end-to-end", "larger-kernels", "memcheck-program"]


class PlansTest(bench.GpuReportTest):
    def with_cudnn(self) -> str:
        """A cuDNN in a folder that CUDNN_PATH may name."""
        folder = self.folder / "cudnn"
        (folder / "lib").mkdir(parents=True)
        (folder / "lib" / "libcudnn.so.9").touch()
        return str(folder)

    def names(self) -> list[str]:
        return [step[2] for step in self.steps()]

    def test_the_first_plan(self) -> None:
        text = self.report(0, "--steps", "first", "--budget", 230)
        self.assertEqual(self.names(), FIRST)
        self.assertEqual({step[0] for step in self.steps()}, {"ok"}, self.errors)
        self.assertNotIn("Not done", text)
        self.assertIn("12 passed, 0 failed, 1 skipped", text)
        self.assertIn("1 skipped: `Cuda/EveryKernel.FullFloat64/vector`", text)
        self.assertIn("made-up device", text)
        self.assert_row(text, "resident strided", "33 x 1000^2", "float64", "0.85", "0.90", "met")
        self.assert_row(text, "resident full", "33 x 1000^2", "float32", "0.75", "0.80", "met",
                        "of the bound by kernel_s; brand_new, 1 stream")
        self.assert_row(text, "resident strided", "8192 x 256^2", "float64", "0.89", "met")
        self.assert_row(text, "end-to-end full", "8192 x 256^2", "float32", "0.95", "met")
        self.assert_row(text, "over cudnn, resident full", "33 x 1000^2", "not measured")
        self.assert_row(text, "33 x 1000^2", "full", "float64", "brand_new", "4", "2.00")
        self.assertIn("skipped: vector does not do full", text)
        self.assert_row(text, "read", "4096 MiB", "4295 MB", "1.4 ms", "3100.0 GB/s")
        self.assert_row(text, "multiply-add", "float32", "6.6 GFLOP", "100 us", "66.00 TFLOP/s")
        self.assert_row(text, "launch", "empty", "", "2.5 us", "")
        self.assert_row(text, "event", "nothing", "", "0 us", "")
        self.assertNotIn("unreadable", text)
        self.assertRegex(text, r"\| 0 \| \d+ \| 1980 \| 2619 \| 350 \| 45 \|")  # the busier card
        self.assertNotRegex(text, r"\| 1 \| \d+ \| 345 \|")
        folder = self.unpack()
        self.assertEqual((folder / "report.md").read_text(), text)
        for name in ("steps.tsv", "machine.txt", "clocks.csv", "report.log", "runs/ours.json"):
            self.assertTrue((folder / name).is_file(), name)
        self.assertEqual([p for p in self.out.iterdir() if p.name.startswith(".")], [])
        # All of ours in one process; nothing is about cuDNN, or loads it.
        calls = self.calls("convscale")
        self.assertEqual([c for c in calls if "--kernel vector,tiled,direct,brand_new " in c],
                         [c for c in calls if "ours.json" in c])
        self.assertEqual(len(calls), 2 + 4, calls)
        self.assertNotIn("cudnn", "".join(c for c in calls if "--kernel" in c).split("[")[0])
        self.assertIn("--gtest_filter=-*cudnn*:*Cudnn* ", self.calls("gpu_test")[0])

    def test_all_steps_and_their_order(self) -> None:
        text = self.report(0, CUDNN_PATH=self.with_cudnn())
        self.assertEqual({step[0] for step in self.steps()}, {"ok"}, self.errors)
        self.assert_libraries(text)
        names = self.names()
        # What `large` verified need not be verified again.
        self.assertEqual(set(names), {*FIRST, *SECOND} - {"variants-large-verified"})
        self.assertEqual(names[:7], FIRST[:7])
        # Sanitizers come last.
        self.assertEqual(names[-5:], ["memcheck", "racecheck", "synccheck", "initcheck",
                                      "memcheck-program"])
        seen = set()
        for file in (self.out / "runs").glob("*.json"):
            for r in json.loads(file.read_text()).get("records", []):
                seen.add((r["images"], r["kernel"], r["method"], r["scope"], r["dtype"]))
        for method in ("strided", "full"):
            for dtype in ("float64", "float32"):
                for kernel in ("vector", "tiled", "direct", "brand_new"):
                    for images in (33, 8192, 268):
                        self.assertIn((images, kernel, method, "resident", dtype), seen)
                    self.assertIn((33, kernel, method, "end-to-end", dtype), seen)
        self.assert_the_real_program_takes_the_options()
        self.assert_short()
        # The same results as those that `large` verified.
        self.assertIn("same digest as a verified row", (self.out / "report.md").read_text())
        self.assertIn("--no-verify", next(c for c in self.calls("convscale")
                                          if "variants-large.json" in c))

    def assert_libraries(self, text: str) -> None:
        """What others do beside ours, and what the steps about them are given."""
        self.assert_row(text, "over cudnn, resident strided", "33 x 1000^2", "9.00", "met")
        self.assert_row(text, "over cudnn, resident full", "33 x 1000^2", "4.00", "missed")
        # A kernel that nobody told the script about, and every workload.
        for workload in ("33 x 1000^2", "8192 x 256^2", "268 x 1000^2"):
            self.assertIn(f"## All rows of {workload}", text)
        self.assert_row(text, "strided", "resident", "float32", "cuda", "brand_new")
        # Others beside ours: 73.3 us + 10 us by our clock.
        self.assert_row(text, "33 x 1000^2", "strided", "resident", "float64", "pytorch conv2d",
                        "500 us", "6.0", "440 us", "6.0")
        self.assert_row(text, "strided", "resident", "float64", "pytorch", "conv2d", "1", "",
                        "500 us", "1.0%", "0.17")
        self.assertNotIn("Device None", text)
        self.assert_row(text, "vector-float64", "77.50 us", "85.12 %")
        # What each is asked for.
        for call, name in zip(self.calls("gpu_peers.py"), ("peers", "peers-large")):
            options = dict(zip(call.split()[1::2], call.split()[2::2]))
            self.assertEqual(options["--dtype"], "float64,float32")
            self.assertEqual(options["--method"], "strided,full")
            peers = options["--peers"].split(",")
            self.assertEqual("jax" in peers, name == "peers")  # thousands of groups take it minutes
            self.assertLessEqual(int(options["--limit"]), 40)
        self.assertEqual(len(self.calls("gpu_peers.py")), 2)
        for call in self.calls("ncu"):
            self.assertIn(" --clock-control none ", call)
        self.assertTrue(all("--gtest_filter=*cudnn*" in c for c in self.calls("gpu_test")
                            if "tests-cudnn" in c))
        # Only what is about cuDNN is shown it.
        for program in ("convscale", "gpu_test"):
            for call in self.calls(program):
                if "[CUDNN_PATH=]" not in call:
                    self.assertRegex(call, "--list|--kernel cudnn|gtest_filter=.cudnn|"
                                     f"PATH={re.escape(str(self.folder))}")

    def assert_short(self) -> None:
        """Standard output has the essence of the report."""
        self.assertTrue(self.said.startswith("# GPU report: "), self.said)
        self.assertLess(len(self.said.encode()), 11001)
        self.assert_row(self.said, "resident strided", "33 x 1000^2", "float64", "0.90", "met")
        self.assertIn("## Steps", self.said)
        self.assertNotIn("## All rows of", self.said)

    def assert_the_real_program_takes_the_options(self) -> None:
        """Without a device, it ends with 3 where there is nothing wrong with them."""
        listed = subprocess.run([bench.PROGRAM, "--list"], capture_output=True, text=True).stdout
        if re.search(r"(?m)^cuda +device +\S+ +supported", listed):
            return
        calls = [call.split(" [")[0].split() for call in self.calls("convscale")
                 if "--kernel" in call]
        self.assertGreater(len(calls), 5)
        for call in calls:
            options = [word.replace(",brand_new", "") for word in call[1:]]
            options = options[:options.index("--json")] if "--json" in options else options
            done = subprocess.run([bench.PROGRAM, *options], capture_output=True, text=True)
            self.assertEqual(done.returncode, 3, (options, done.stderr))

    def test_steps_by_name_in_the_order_given(self) -> None:
        (self.package / "golden").mkdir()
        text = self.report(0, "--steps", "racecheck,tests,probe,ours,probe")
        self.assertEqual(self.names(), ["machine", "racecheck", "tests", "probe", "ours"])
        # The tests of a package read the files in it.
        self.assertIn(f"[CONVSCALE_TEST_DATA={self.package}]", self.calls("gpu_test")[-1])
        # What can be carries no mark.
        self.assertIn("of bound", text)
        self.assertNotRegex(text, "[0-9]!|^\"!\"")


class OutcomesTest(bench.GpuReportTest):
    def test_a_wrong_result_fails_and_is_no_best(self) -> None:
        self.behave(wrong_kernel="vector")
        text = self.report(5, "--steps", "ours,probe")
        self.assertEqual(self.step_of("ours")[0], "failed")
        self.assertEqual(self.step_of("probe")[0], "ok")
        self.assert_row(text, "resident strided", "33 x 1000^2", "0.50", "missed")
        self.assertIn("failed: verification failed: made up", text)

    def test_more_than_the_hardware_can_do_meets_no_target(self) -> None:
        self.behave(efficiency={"vector": 1.2})
        text = self.report(0, "--steps", "ours,large")
        self.assert_row(text, "resident strided", "33 x 1000^2", "1.20!",
                        "doubtful: more than the hardware can do")
        # By its own clock the launch is counted, too.
        self.assert_row(text, "strided", "resident", "float64", "cuda", "vector", "1.20!")
        self.assert_row(text, "8192 x 256^2", "strided", "resident", "float64", "vector", "1.19!")
        self.assertIn('\n"!": more than the hardware can do', text)

    def test_an_unverified_row_meets_no_target(self) -> None:
        self.behave(efficiency={"tiled": 1.0}, kernel_with_digests_of_its_own="tiled")
        text = self.report(0, "--steps", "ours,large,variants-large")
        self.assert_row(text, "resident strided", "33 x 1000^2", "1.00", "met")
        self.assert_row(text, "resident strided", "8192 x 256^2", "float64", "0.89", "met",
                        "of the bound by the clock; vector, 4 streams")
        self.assert_row(text, "strided", "resident", "float64", "cuda", "tiled", "not verified")

    def test_missing_things_are_no_failures(self) -> None:
        self.behave(missing_kernel="cudnn")
        for path in (self.bin / "gpu_probe", self.package / "gpu_peers.py", self.tools / "ncu",
                     self.tools / "compute-sanitizer", self.tools / "nvidia-smi"):
            path.unlink()
        text = self.report(0, "--steps", "probe,peers,ncu,memcheck,cudnn,ours")
        self.assertEqual({self.step_of(name)[0] for name in (
            "clocks", "probe", "peers", "ncu", "memcheck", "cudnn")}, {"not possible"})
        self.assertIn("not possible: convscale: row 1: made-up library is missing: `cudnn`", text)
        self.assertIn("there is no program gpu_probe: `probe`", text)
        self.assertIn("there is no gpu_peers.py: `peers`", text)
        self.assert_row(text, "over cudnn, resident full", "33 x 1000^2", "not measured")
        self.assertEqual(self.step_of("ours")[0], "ok")

    def test_peers_fit_their_step(self) -> None:
        """With what the script takes for making the data."""
        self.report(0, "--steps", "peers", "--budget", 10**5)
        options = self.calls("gpu_peers.py")[-1].split()
        # The step of the machine leaves it up to 10 s.
        self.assertIn(int(options[options.index("--limit") + 1]), range(15, 19))
        self.out = self.folder / "short"
        self.report(0, "--steps", "peers", "--budget", 41)
        options = self.calls("gpu_peers.py")[-1].split()
        self.assertLessEqual(int(options[options.index("--limit") + 1]), 6)  # and the budget

    def test_a_peer_that_was_not_done_in_its_time(self) -> None:
        late = "rows 3, 5-7 failed: it did not end within the 15 s that --limit gives to a peer\n" \
            "row 4 skipped: nothing was left of the 15 s that --limit gives to a peer"
        text = self.report(0, "--steps", "peers", PEERS_CODE="5", PEERS_SAY=late)
        self.assertEqual(self.step_of("peers")[0], "cut short")
        self.assertIn("rows 3, 5-7 failed: it did not end within the", self.step_of("peers")[3])
        self.assert_row(text, "strided", "resident", "float64", "pytorch", "conv2d")  # is kept
        self.out = self.folder / "failed"
        text = self.report(5, "--steps", "peers", PEERS_CODE="5",
                           PEERS_SAY=late + "\nrow 5 failed: RuntimeError: made up")
        self.assertEqual(self.step_of("peers")[0], "failed")
        self.assertIn("row 5 failed: RuntimeError: made up", self.step_of("peers")[3])
        self.assert_row(text, "strided", "resident", "float64", "pytorch", "conv2d")

    def test_what_a_virtual_machine_refuses_is_no_failure(self) -> None:
        self.report(0, "--steps", "memcheck,ncu", REFUSED_TOOL="memcheck",
                    NCU_SAYS="==ERROR== Failed to initialize the profiler: LibraryNotLoaded")
        self.assertEqual(self.step_of("memcheck")[0], "not possible")
        self.assertIn("Device not supported", self.step_of("memcheck")[3])
        self.assertEqual(self.step_of("ncu-vector-float64")[0], "not possible")
        self.assertEqual(len(self.calls("ncu")), 1)

    def test_many_tests_are_not_all_named(self) -> None:
        lines = "".join(f"[  SKIPPED ] Suite.Test{i} (0 ms)\\n" for i in range(40))
        text = self.report(0, "--steps", "tests", GPU_TEST_CODE="0",
                           GPU_TEST_OUTPUT=lines + "[  PASSED  ] 1 test.\\n")
        self.assertIn("40 skipped: `Suite.Test0`, ", text)
        self.assertIn("`Suite.Test11` and 28 more\n", text)
        self.assertNotIn("`Suite.Test12`", text)

    def test_failing_tests_and_tools_fail(self) -> None:
        text = self.report(
            5, "--steps", "tests,memcheck,racecheck,ncu", GPU_TEST_CODE="1",
            NCU_SAYS="==ERROR== ERR_NVGPUCTRPERM - no permission",
            GPU_TEST_OUTPUT=r"[  FAILED  ] Data.Made, where GetParam() = 1 (1 ms)\n"
            r"[  PASSED  ] 3 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Data.Made\n")
        self.assertIn("3 passed, 1 failed, 0 skipped", text)
        self.assertIn("1 failed: `Data.Made`", text)
        self.assertEqual([self.step_of(name)[0] for name in ("tests", "memcheck", "racecheck")],
                         ["failed", "failed", "failed"])
        # Counters may be forbidden, and then the others are not tried.
        self.assertEqual(self.step_of("ncu-vector-float64")[0], "not possible")
        self.assertEqual(len(self.calls("ncu")), 1)

    def test_a_tool_that_reports_fails(self) -> None:
        self.report(5, "--steps", "memcheck,racecheck,synccheck", FAILING_TOOL="racecheck",
                    SILENT_TOOL="synccheck")
        self.assertEqual(self.step_of("memcheck")[0], "ok")
        self.assertEqual(self.step_of("racecheck")[0], "failed")
        self.assertIn("no summary", self.step_of("synccheck")[3])

    def test_no_test_at_all_is_a_failure(self) -> None:
        self.report(5, "--steps", "tests", GPU_TEST_CODE="0",
                    GPU_TEST_OUTPUT=r"[  PASSED  ] 0 tests.\n")
        self.assertEqual(self.step_of("tests")[0], "failed")

    def test_without_a_device(self) -> None:
        self.behave(no_device="made up: no driver")
        text = self.report(3, GPU_TEST_CODE="0",
                           GPU_TEST_OUTPUT=r"[  PASSED  ] 0 tests.\n[  SKIPPED ] 7 tests, listed\n")
        self.assertIn("0 passed, 0 failed, 7 skipped", text)
        self.assertRegex(text, r"\* no device: made up: no driver: `ours`, .*`racecheck`")
        self.assertIn("None of the 24 was measured", text)
        self.assertEqual(list((self.out / "runs").glob("*.json")), [])

    def test_without_a_device_the_program_must_say_so(self) -> None:
        self.behave(no_device="made up", code_without_device=1)
        self.report(5, "--steps", "machine")

    def test_the_real_program_without_a_device(self) -> None:
        listed = subprocess.run([bench.PROGRAM, "--list"], capture_output=True, text=True).stdout
        if re.search(r"(?m)^cuda +device +\S+ +supported", listed):
            self.skipTest("there is a device")
        (self.bin / "convscale").unlink()
        (self.bin / "convscale").symlink_to(bench.PROGRAM)
        self.assertIn("exit 3 as it should: convscale: --backend cuda: ",
                      self.report(3, "--steps", "machine"))


class CudnnTest(bench.GpuReportTest):
    def library(self, *names: str) -> Path:
        """A folder nvidia/ as Python's wheels make it, with these libraries."""
        folder = self.folder / "site" / "nvidia"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        return folder

    def machine(self) -> str:
        return (self.out / "machine.txt").read_text().splitlines()[0]

    def list_call(self) -> str:
        return next(call for call in self.calls("convscale") if "--list" in call)

    def test_a_wheel_is_found_beside_the_python_of_the_path(self) -> None:
        folder = self.library("cudnn/lib/libcudnn.so.9", "cuda_nvrtc/lib/libnvrtc.so.12",
                              "cublas/lib/libcublas.so.12", "nccl/lib/libnccl.so.2")
        (folder / "cudnn" / "__init__.py").write_text("raise SystemExit('imported')")
        text = self.report(0, "--steps", "cudnn,ours", PYTHONPATH=str(folder.parent),
                           LD_LIBRARY_PATH="/made/up:/two")
        self.assertEqual(self.machine(), f"cuDNN: libcudnn.so.9 in {folder}/cudnn/lib")
        self.assertIn(f"* cuDNN: libcudnn.so.9 in {folder}/cudnn/lib", text)
        seen = f"[CUDNN_PATH={folder}/cudnn] [LD_LIBRARY_PATH=/made/up:/two:{folder}/cudnn/lib:"
        seen += f"{folder}/cublas/lib:{folder}/cuda_nvrtc/lib]"
        self.assertIn(seen, self.list_call())
        for name in ("cudnn.json", "cudnn-large.json"):
            self.assertIn(seen, next(c for c in self.calls("convscale") if name in c))
        # What is not about cuDNN has the path as it was.
        self.assertIn("[CUDNN_PATH=] [LD_LIBRARY_PATH=/made/up:/two]",
                      next(c for c in self.calls("convscale") if "ours.json" in c))

    def test_what_the_environment_names_comes_first(self) -> None:
        wheel = self.library("cudnn/lib/libcudnn.so.9")
        own = self.folder / "own"
        (own / "lib").mkdir(parents=True)
        (own / "lib" / "libcudnn.so.9").touch()
        self.report(0, "--steps", "machine", PYTHONPATH=str(wheel.parent), CUDNN_PATH=str(own))
        self.assertEqual(self.machine(), f"cuDNN: libcudnn.so.9 in {own}/lib")
        self.assertIn(f"[CUDNN_PATH={own}] [LD_LIBRARY_PATH={own}/lib]", self.list_call())

    def test_another_version_is_said_and_the_others_go_on(self) -> None:
        own = self.folder / "own"
        (own / "lib").mkdir(parents=True)
        (own / "lib" / "libcudnn.so.8").touch()
        self.behave(missing_kernel="cudnn")
        self.add(self.tools / "ldconfig", "#!/bin/sh\n")  # this machine may have one
        file = self.package / "gpu_report_machine.sh"
        file.write_text(file.read_text().replace("/usr/local/cuda", "/none"))
        self.report(0, "--steps", "cudnn,tests-cudnn,ours", CUDNN_PATH=str(own))
        self.assertIn(f"no libcudnn.so.9, but cuDNN 8 in {own}/lib", self.machine())
        self.assertEqual(self.step_of("cudnn")[0], "not possible")
        self.assertEqual(self.step_of("tests-cudnn")[0], "not possible")
        self.assertEqual(self.step_of("ours")[0], "ok")

    def test_without_python(self) -> None:
        """On a path that has all but it."""
        tools = self.folder / "all but python"
        tools.mkdir()
        for folder in ("/bin", "/usr/bin"):
            for file in os.scandir(folder):
                if not file.name.startswith(("python", "pypy")) and \
                        not os.path.lexists(tools / file.name):
                    (tools / file.name).symlink_to(file.path)
        (self.tools / "python3").unlink()
        self.library("cudnn/lib/libcudnn.so.9")
        text = self.report(0, "--steps", "peers,ours", PATH=f"{self.tools}:{tools}",
                           PYTHONPATH=str(self.folder / "site"))
        self.assertEqual(self.step_of("peers")[0], "not possible")
        self.assertIn("there is no python3 on the path", self.step_of("peers")[3])
        self.assertEqual(self.step_of("tables of report.md")[0], "not possible")
        self.assertIn("Python: there is no python3 on the path",
                      (self.out / "machine.txt").read_text())
        self.assertIn("The comparison of them is missing: there is no python3 on the path", text)
        self.assertIn("## ours", text)
        self.assertIn("a table of 16 made-up rows", text)
        self.assertRegex(text, r"ok, \d+, ours")
        self.assertRegex(self.said, r"ok, \d+, ours")
        self.assertLess(len(self.said), 11100)
        self.assertTrue((self.unpack() / "runs" / "ours.json").is_file())

    def test_an_old_python_and_an_old_driver(self) -> None:
        self.add(self.tools / "python3", "#!/bin/sh\necho made up 2.7\nexit 1\n")
        self.add(self.tools / "nvidia-smi", "#!/bin/sh\necho 'made up: no such field'\nexit 2\n")
        text = self.report(0, "--steps", "ours")
        self.assertIn("no Python 3.6 or later here (made up 2.7)", text)
        # Nor are there clocks.
        self.assertEqual(self.step_of("clocks")[0], "not possible")
        self.assertIn("no such field", self.step_of("clocks")[3])


if __name__ == "__main__":
    bench.main()
