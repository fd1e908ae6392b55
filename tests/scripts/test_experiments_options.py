# SPDX-License-Identifier: Apache-2.0
"""The options of experiments.py, and the jobs that follow from them."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from convscale.cli import UsageError
from convscale.slurm.job import Job, Launch, Site, printed_by, script_of, seconds_of
from convscale.slurm.options import Options, Request, parse_options, request_of
from convscale.slurm.plan import job_of, runs_of


def options(*given: str) -> Options:
    return parse_options(["--out", "out", *given])


def request(*given: str) -> Request:
    asked = options(*given).request
    assert asked is not None
    return asked


def job(experiment: str, *given: str) -> Job:
    asked = request("--experiment", experiment, *given)
    runs = runs_of(asked, asked.experiments[0], options(*given).dragon)
    return job_of(asked, asked.experiments[0], runs, Path("/bin/convscale"))


def script(experiment: str, *given: str) -> str:
    return script_of(job(experiment, *given), options(*given).site, Path("/shared"))


def test_the_originals_experiments() -> None:
    asked = request()
    assert [(one.nodes, one.num_workers, one.images) for one in asked.experiments] == [
        (1, 4, 33), (2, 4, 33), (2, 32, 33), (4, 32, 33), (64, 896, 8192)]
    assert (asked.iterations, asked.burns, asked.fill) == (10, 2, "random")
    last = job("64x896").launches[0].command
    assert " ".join(last).startswith(
        "/bin/convscale --backend cpu --method full,strided --num_workers 896 --size 256 --mem "
        "536870912 --fill random --iterations 10 --burns 2 --distribute scatter --json")


def test_an_experiment_of_ones_own() -> None:
    one, = request("--experiment", "3x24").experiments
    assert (one.nodes, one.num_workers, one.mem, one.size) == (3, 24, 33554432, (1000, 1000))
    one, = request("--experiment", "64x896", "--mem", "1Mi", "--size", "32x64").experiments
    assert (one.mem, one.size, one.images) == (2**20, (32, 64), 512)
    assert "32x64" in job("3x24", "--size", "32x64").launches[0].command


def test_runs_and_their_options() -> None:
    names = [launch.results for launch in job("2x4").launches]
    assert names == ["2x4-scatter.json", "2x4-local.json"]
    assert [launch.results for launch in job("1x4").launches] == ["1x4.json"]
    assert "--distribute" not in job("1x4").launches[0].command
    only = job("2x4", "--distribute", "local", "--method", "strided", "--fill", "integers",
               "--iterations", "3", "--burns", "0").launches
    assert len(only) == 1
    command = " ".join(only[0].command)
    for text in ("--method strided ", "--distribute local", "--fill integers", "--iterations 3",
                 "--burns 0"):
        assert text in command


def test_the_baseline_follows_in_the_same_job() -> None:
    one = job("1x4", "--with-baseline", "--dragon", "/opt/dragon").launches
    assert [(launch.results, launch.on_all) for launch in one] == [
        ("1x4.json", True), ("1x4-dragon.json", False)]
    command = " ".join(one[1].command)
    assert "baseline.py --kernel scipy-spawn,scipy-dragon --num_workers 4 " in command
    assert "--dragon /opt/dragon --json 1x4-dragon.json" in command
    two = job("2x32", "--with-baseline").launches[-1].command
    assert "scipy-dragon" in two and "--dragon" not in two


def test_gpu_nodes_have_a_rank_for_each_gpu() -> None:
    text = script("2x8", "--backend", "cuda", "--gpus-per-node", "4")
    assert "#SBATCH --ntasks-per-node=4\n" in text and "#SBATCH --gpus-per-node=4\n" in text
    assert "--backend cuda" in text
    # Several ranks on one node have something to distribute, too.
    assert "--distribute scatter" in script("1x4", "--backend", "cuda", "--gpus-per-node", "2")
    assert "--distribute" not in script("1x4", "--backend", "cuda")


def test_a_rank_may_use_its_whole_node() -> None:
    text = script("4x32", "--partition", "batch", "--account", "physics", "--time", "1:00:00",
                  "--sbatch-option=--constraint=haswell", "--sbatch-option=-q debug")
    for line in ("--job-name=convscale-4x32", "--nodes=4", "--ntasks-per-node=1", "--exclusive",
                 "--mem=0", "--time=1:00:00", "--chdir=/shared", "--output=/shared/4x32.txt",
                 "--partition=batch", "--account=physics", "--constraint=haswell", '"-q debug"'):
        assert f"\n#SBATCH {line}\n" in text
    assert "--cpus-per-task" not in text.split("#SBATCH")[-2]
    assert "srun --mpi=pmix --kill-on-bad-exit=1 --distribution=cyclic --cpu-bind=none " in text
    assert "\nlimit=3555\n" in text


def test_sbatch_expands_nothing_in_a_folders_name() -> None:
    text = script_of(job("2x4"), Site(), Path('/a %j/"b"'))
    assert '\n#SBATCH "--chdir=/a %j/\\"b\\""\n' in text
    assert '\n#SBATCH "--output=/a %%j/\\"b\\"/2x4.txt"\n' in text


@pytest.mark.parametrize("given", [[], ["--with-baseline"], ["--launcher", "mpirun"],
                                   ["--sbatch-option=--comment=a 'b' \\ $(c) `d` #e"]])
def test_a_script_is_a_shells(given: list[str]) -> None:
    done = subprocess.run(["bash", "-n"], input=script("2x4", *given), text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("codes, ends", [((0, 0), 0), ((3, 0), 3), ((0, 4), 4), ((2, 5), 2)])
def test_a_jobs_exit_code_is_the_first_that_is_not_0(tmp_path: Path, codes: tuple[int, int],
                                                     ends: int) -> None:
    launches = tuple(Launch(f"{i}.json", ("sh", "-c", f"echo said {i}; exit {code}"), on_all=False)
                     for i, code in enumerate(codes))
    text = script_of(Job("x", 1, launches), Site(), tmp_path)
    (tmp_path / "0.json.partial-abc").write_text("")
    done = subprocess.run(["bash"], input=text, text=True, capture_output=True, cwd=tmp_path,
                          check=False)
    assert (done.returncode, done.stderr) == (ends, "")
    assert (tmp_path / "x.exit").read_text() == f"0.json {codes[0]}\n1.json {codes[1]}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.exit"]
    assert printed_by(done.stdout, "0.json") == "said 0\n"
    assert printed_by(done.stdout, "1.json") == "said 1\n"
    assert printed_by(done.stdout, "2.json") == ""


@pytest.mark.parametrize("text, seconds", [
    ("5", 300), ("1:30", 90), ("00:30:00", 1800), ("2-12", 216000), ("1-0:30", 88200),
    ("1-01:01:01", 90061), ("1", 60)])
def test_time_limits(text: str, seconds: int) -> None:
    assert seconds_of("--time", text) == seconds


def test_what_still_runs_is_ended_before_slurm_does() -> None:
    for time, limit, signal in (("1", 56, 8), ("5", 277, 46), ("1:00:00", 3555, 90)):
        text = script("2x4", "--time", time)
        assert f"\nlimit={limit}\n" in text and f"\n#SBATCH --signal=TERM@{signal}\n" in text


@pytest.mark.parametrize("given, says", [
    (["--experiment", "2"], "--experiment 2: expected NODESxWORKERS"),
    (["--experiment", "2x99999"], "up to 65536 workers"),
    (["--experiment", "2x4,2x4"], "has an element twice"),
    (["--experiment", ""], "the list is empty"),
    (["--distribute", "magic"], "expected one of scatter, local"),
    (["--gpus-per-node", "2"], "--gpus-per-node without --backend cuda"),
    (["--backend", "cuda", "--gpus-per-node", "0"], "from 1 to 64"),
    (["--mem", "9", "--size", "10"], "--mem 9: holds no image of 10x10, for experiment 1x4; --mem "
                                     "100 would hold one"),
    (["--with-baseline", "--method", "strided"], "--with-baseline beside --method strided"),
    (["--dragon", "/x"], "--dragon without --with-baseline"),
    (["--partition", ""], "--partition: is empty"),
    (["--partition", "a\nb"], "has a character that no job script can hold"),
    (["--sbatch-option", "qos=debug"], "expected an option of sbatch"),
    (["--launcher-option", "'"], "--launcher-option: no closing quotation; quote as in a shell"),
    (["--launcher", "mpirun", "--mpi", "pmix"], "--mpi beside --launcher mpirun"),
    (["--time", "soon"], "--time soon: expected a time"), (["--time", "0:30"], "at least a minute"),
    (["--collect", "--wait"], "--wait beside --collect"),
    (["--collect", "--fresh"], "--fresh beside --collect")])
def test_bad_options(given: list[str], says: str) -> None:
    with pytest.raises(UsageError) as error:
        options(*given)
    assert says in str(error.value)


@pytest.mark.parametrize("out", ["", "a\nb", "a\\b"])
def test_folders_that_no_job_can_write_to(out: str) -> None:
    with pytest.raises(UsageError):
        parse_options(["--out", out])


def test_a_request_is_made_again_from_what_was_given() -> None:
    for given in ("", "--experiment 2x4 --with-baseline --fill zeros",
                  "--backend cuda --gpus-per-node 2 --mem 64Ki --size 64 --iterations 3 --burns 1 "
                  "--method full --distribute local"):
        asked = request(*given.split())
        assert request_of(asked.given) == asked
    with pytest.raises(UsageError):
        request_of((("--fill", "zeros"),))
