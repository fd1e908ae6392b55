# SPDX-License-Identifier: Apache-2.0
"""Not collected with the rest: test_hosts.py runs this file and sees what it leaves behind."""
from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from hosts import Cluster


def test_ends_badly(cluster: Cluster) -> None:
    """Starts something on each host, says so, and waits to be killed."""
    for host in cluster.hosts:
        # The first sleep outlives its parent, and neither minds a polite signal.
        subprocess.Popen([cluster.agent, host, "trap '' TERM; sleep 600 & sleep 600"])
    while len(cluster.processes(name="sleep")) < 2 * len(cluster.hosts):
        time.sleep(0.01)
    report = Path(os.environ["LIFETIME_REPORT"])
    report.with_suffix(".part").write_text(cluster.tag, encoding="utf-8")
    report.with_suffix(".part").rename(report)
    time.sleep(600)
