# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/gpu_report.sh share: a folder like a package's, whose programs are made
up, and made-up tools of a driver and a toolkit on the path. There need be no GPU."""
from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable

PROGRAM = Path()
SCRIPTS = Path()
# With this very interpreter: env may find a slow wrapper.
PYTHON = f"#!{sys.executable} -BSE\n"
MADE_UP_PROGRAM = PYTHON + (Path(__file__).resolve().parent / "made_up_program.py").read_text()

# Each tool notes its call, and hangs if it is named in HANGS; DEAF: it does not end when asked to.
TOOL = """#!/bin/bash
folder=$(dirname -- "$0")
echo "$(basename -- "$0") $* [CUDNN_PATH=$CUDNN_PATH] [LD_LIBRARY_PATH=$LD_LIBRARY_PATH]" \\
  "[CONVSCALE_TEST_DATA=$CONVSCALE_TEST_DATA]" >>"$CALLS"
if [ "$HANGS" = "$(basename -- "$0")" ]; then
  if [ -n "$DEAF" ]; then trap '' TERM; fi
  touch "$CALLS.hangs"
  sleep 1000 &
  echo $! >"$CALLS.child"
  setsid sleep 1000 &
  echo $! >"$CALLS.child_in_a_session"
  while true; do sleep 0.1; done
fi
"""
GPU_TEST = TOOL + """
[ -z "$DOES" ] || eval "$DOES"
[ -z "$GPU_TEST_OUTPUT" ] || { printf '%b' "$GPU_TEST_OUTPUT"; exit "$GPU_TEST_CODE"; }
printf '[       OK ] Cuda/EveryKernel.FullFloat64/tiled (1 ms)\\n'
printf '[  SKIPPED ] Cuda/EveryKernel.FullFloat64/vector (0 ms)\\n'
printf '[  PASSED  ] 12 tests.\\n[  SKIPPED ] 1 test, listed below:\\n'
printf '[  SKIPPED ] Cuda/EveryKernel.FullFloat64/vector\\n'
"""
SANITIZER = TOOL + """
tool=$2
shift 4
if [ "$tool" = "$SLOW_TOOL" ]; then
  [ -z "$SLOW_SAYS" ] || printf '%b' "$SLOW_SAYS"
  touch "$CALLS.hangs"
  while true; do sleep 0.1; done
fi
if [ "$tool" = "$REFUSED_TOOL" ]; then
  echo "========= Error: Device not supported. Please refer to the documentation"
  echo "========= Program hit cudaErrorUnknown (error 999) on CUDA API call to cudaMalloc."
  exit 9
fi
"$@" || exit
[ "$tool" != "$SILENT_TOOL" ] || exit 0
echo "========= ERROR SUMMARY: 0 errors"
[ "$tool" != "$FAILING_TOOL" ] || exit 9
"""
PROBE = TOOL + """
cat >"${@: -1}" <<'END'
{"schema_version": "1", "probe": [
 {"name": "read", "variant": "4096 MiB", "amount": 4294967296.0, "unit": "byte",
  "seconds": 0.0014, "bytes_per_s": 3.1e12, "flops_per_s": null},
 {"name": "multiply-add", "variant": "float32", "amount": 6.6e9, "unit": "FLOP",
  "seconds": 1e-4, "bytes_per_s": null, "flops_per_s": 6.6e13},
 {"name": "launch", "variant": "empty", "amount": 1.0, "unit": "launch", "seconds": 2.5e-6,
  "bytes_per_s": null, "flops_per_s": null},
 {"name": "event", "variant": "nothing", "amount": 1.0, "unit": "event", "seconds": 0.0,
  "bytes_per_s": null, "flops_per_s": null}]}
END
"""
NCU = TOOL + """
[ -z "$NCU_SAYS" ] || { echo "$NCU_SAYS"; exit 1; }
printf '    DRAM Throughput                   %%        85.12\\n'
printf '    Duration                         us        77.50\\n'
exit 143
"""
NVIDIA_SMI = TOOL + """
case $* in
  *-lms*)
    trap '' TERM
    echo $$ >"$CALLS.clocks"
    echo 'timestamp, index, clocks.current.sm [MHz], clocks.current.memory [MHz], and so on'
    while true; do
      echo "$(date '+%Y/%m/%d %H:%M:%S.000'), 0, 1980 MHz, 2619 MHz, 350.12 W, 45"
      echo "$(date '+%Y/%m/%d %H:%M:%S.000'), 1, 345 MHz, 2619 MHz, 70.00 W, [N/A]"
      sleep 0.2
    done ;;
  *) echo "a made-up card" ;;
esac
"""
PEERS = """import json, os, sys
from pathlib import Path
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(os.environ["CALLS"], "a") as calls:
    calls.write("gpu_peers.py " + " ".join(sys.argv[1:]) + "\\n")
document = json.loads((Path(__file__).parent / "bin" / "template.json").read_text())
record = document["records"][0]
record.update(backend="pytorch", kernel="conv2d", method="strided", scope="resident",
              dtype="float64", height=1000, width=1000, images=33, num_workers=1,
              median_s=5e-4, cv=0.01,
              bound=None, host_memory=None, warnings=[])
record["phases"].update(kernel_s=4.4e-4)
document["devices"] = [{"name": "a name alone"}]
Path(options["--json"]).write_text(json.dumps(document))
print("row  backend\\n1    pytorch")
print(os.environ.get("PEERS_SAY", ""))
sys.exit(int(os.environ.get("PEERS_CODE", "0")))
"""


@functools.cache
def template() -> str:
    """A results file of the real program, whose kernel has one way only."""
    return subprocess.run([PROGRAM, "--size", "8", "--mem", "64", "--kernel", "scalar",
                           "--json", "-"], capture_output=True, text=True, check=True).stdout


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class GpuReportTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="convscale gpu report ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.package = self.folder / "package"
        self.bin = self.package / "bin"
        self.tools = self.folder / "tools"
        self.out = self.folder / "out"
        self.calls_file = self.folder / "calls"
        self.bin.mkdir(parents=True)
        self.tools.mkdir()
        for file in SCRIPTS.glob("gpu_report*"):
            shutil.copy(file, self.package)
        (self.package / "gpu_peers.py").write_text(PEERS)
        (self.bin / "template.json").write_text(template())
        for name, text in (("convscale", MADE_UP_PROGRAM), ("gpu_test", GPU_TEST),
                           ("gpu_probe", PROBE)):
            self.add(self.bin / name, text)
        for name, text in (("compute-sanitizer", SANITIZER), ("ncu", NCU),
                           ("nvidia-smi", NVIDIA_SMI)):
            self.add(self.tools / name, text)
        (self.tools / "python3").symlink_to(sys.executable)
        self.behave()

    @staticmethod
    def add(path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def behave(self, **behaviour: Any) -> None:
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def limit(self, **seconds: int) -> None:
        """Other limits of steps in this copy of the script; that of `grace` is for ending them."""
        plan, machinery = self.package / "gpu_report_plan.sh", self.package / "gpu_report_steps.sh"
        for name, limit in seconds.items():
            file, pattern, text = (machinery, r"grace_s=\d+", f"grace_s={limit}") \
                if name == "grace" else (plan, rf"(?m)^{name} +\d+", f"{name} {limit}")
            changed, count = re.subn(pattern, text, file.read_text())
            self.assertEqual(count, 1, name)
            file.write_text(changed)

    def start(self, *options: object, **environment: str) -> subprocess.Popen[str]:
        variables = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}",
                     "CALLS": str(self.calls_file), **environment}
        for name in ("CUDNN_PATH", "CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH"):
            if name not in environment:
                variables.pop(name, None)
        return subprocess.Popen(
            [self.package / "gpu_report.sh", "--out", self.out, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)

    def assert_all_ended(self) -> None:
        """Of what the script began, nothing is left."""
        for name in ("clocks", "child", "child_in_a_session"):
            file = Path(f"{self.calls_file}.{name}")
            if file.exists():
                self.wait_for(lambda: not is_alive(int(file.read_text())))

    def end(self, running: subprocess.Popen[str], code: int) -> str:
        self.said, self.errors = running.communicate(timeout=240)
        self.assertEqual(running.returncode, code, self.errors)
        self.assertNotIn("Traceback", self.errors)
        self.assertNotIn(": line ", self.errors)  # bash's own complaints
        self.assert_all_ended()
        return (self.out / "report.md").read_text()

    def report(self, code: int, *options: object, **environment: str) -> str:
        """The Markdown of a run that must end with `code`."""
        return self.end(self.start(*options, **environment), code)

    def wait_for(self, what: Callable[[], object]) -> None:
        end = time.monotonic() + 240
        while not what():
            self.assertLess(time.monotonic(), end, "waited for in vain")
            time.sleep(0.05)

    def interrupt(self, running: subprocess.Popen[str], file: Path,
                  number: signal.Signals = signal.SIGTERM) -> str:
        """The Markdown of a run that gets a signal once `file` is there."""
        self.wait_for(file.exists)
        running.send_signal(number)
        return self.end(running, 130)

    def calls(self, program: str) -> list[str]:
        """The command lines of a tool."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith(program + " ")]

    def unpack(self) -> Path:
        """The bundle's folder, unpacked."""
        target = Path(tempfile.mkdtemp(dir=self.folder))
        subprocess.run(["tar", "-xzf", self.out / "report.tgz", "-C", target], check=True)
        return target / "out"

    def assert_row(self, text: str, *cells: str) -> None:
        """There is a row of a table with these cells, in this order."""
        pattern = r".*\| ".join(re.escape(cell) for cell in cells)
        alike = [line for line in text.splitlines() if line.startswith("| ") and cells[0] in line]
        self.assertTrue(any(re.search(rf"^\| .*{pattern} \|", line) for line in alike),
                        "\n".join([f"no row has {cells}; alike are:", *alike]))

    def steps(self) -> list[list[str]]:
        return [line.split("\t") for line in (self.out / "steps.tsv").read_text().splitlines()]

    def step_of(self, name: str) -> list[str]:
        found = [line for line in self.steps() if line[2] == name]
        self.assertEqual(len(found), 1, (name, self.steps()))
        return found[0]


def main() -> None:
    global PROGRAM, SCRIPTS
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--scripts", type=Path, required=True)
    known, rest = parser.parse_known_args()
    PROGRAM, SCRIPTS = known.program.resolve(), known.scripts.resolve()
    unittest.main(module="__main__", argv=[sys.argv[0], *rest])
