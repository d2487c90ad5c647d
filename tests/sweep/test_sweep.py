"""`nki-pool sweep`: every case once, whatever happens to the processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.report.read import read
from pytest_nki_pool.sweep.engine import drive
from pytest_nki_pool.sweep.setup import cases_of, orders, session_of
from pytest_nki_pool.sweep.work import Worker
from pytest_nki_pool.verdict import Status

SMALL = ("--tier=smoke", "--check=values")
FEW = ("--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=30", "--case=c2h5w4k2:fp32:ones")

engines = pytest.mark.parametrize(
    "engine", ["local", pytest.param("ray", marks=pytest.mark.needs("ray"))], ids=["local", "ray"]
)


def until(condition, seconds=60):
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def verdicts(path):
    """How many verdict lines are on disk."""
    return path.read_bytes().count(b'"line":"verdict"') if path.exists() else 0


@engines
def test_a_sweep_has_the_verdicts_that_pytest_has(sweeper, pytester, engine):
    swept = sweeper.run("good", *SMALL, f"--engine={engine}")
    (pytester.path / "pool.py").write_bytes((sweeper.folder / "pool.py").read_bytes())
    options = ("--nki-kernel=pool.py:avgpool", "--nki-backend=baremetal", "--nki-tier=smoke", "--nki-check=values")
    ran = pytester.runpytest_subprocess("--pyargs", "pytest_nki_pool.conformance", *options, "--nki-report=p.jsonl")
    report, expected = read(sweeper.folder / "r.jsonl"), read(pytester.path / "p.jsonl")

    assert (swept.returncode, ran.ret, report.damage) == (0, 0, "")
    assert report.statuses == expected.statuses
    assert report.run.kernels == expected.run.kernels
    assert report.records[0].rerun.startswith(
        "pytest --pyargs pytest_nki_pool.conformance --nki-kernel=pool.py:avgpool"
    )


@engines
def test_a_case_that_kills_its_process_costs_itself_alone(sweeper, engine):
    swept = sweeper.run("dies", *FEW, f"--engine={engine}")
    report = read(sweeper.folder / "r.jsonl")
    crashed = [record for record in report.records if record.verdict.finding.status is Status.CRASH]

    assert (swept.returncode, report.damage) == (1, "")
    assert [record.verdict.identity.case for record in crashed] == ["c2h5w4k2:fp32:ones"]
    assert "died again when it ran alone" in crashed[0].verdict.finding.message
    assert crashed[0].rerun.endswith("--nki-case=c2h5w4k2:fp32:ones")
    assert list(report.statuses.values()).count("PASS") == 30


@engines
def test_a_process_that_is_killed_changes_no_verdict(sweeper, engine):
    undisturbed = sweeper.run("good", *FEW, f"--engine={engine}", report="whole.jsonl")
    killed = sweeper.run("dies once", *FEW, f"--engine={engine}")

    assert (undisturbed.returncode, killed.returncode) == (0, 0), killed.stderr
    assert (sweeper.folder / "died").exists()
    assert read(sweeper.folder / "r.jsonl").statuses == read(sweeper.folder / "whole.jsonl").statuses


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@engines
def test_a_killed_sweep_leaves_a_valid_report_and_no_worker_and_is_resumed(sweeper, engine):
    args = ("--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=300", f"--engine={engine}")
    path = sweeper.folder / "r.jsonl"
    process = sweeper.start("slow", *args)
    until(lambda: verdicts(path) > 20)
    workers = [path.name.removeprefix("worker-") for path in sweeper.folder.glob("worker-*")]
    process.kill()
    process.communicate()
    part = read(path)
    assert part.damage
    assert 20 < len(part.records) < 300
    assert workers
    until(lambda: not any(alive(worker) for worker in workers))

    resumed = sweeper.run("slow", *args, "--resume=r.jsonl")

    assert (resumed.returncode, read(path).damage) == (0, "")
    assert list(read(path).statuses.values()) == ["PASS"] * 300
    assert read(path).records[: len(part.records)] == part.records


def test_a_worker_hands_in_what_it_has_every_tenth_of_a_second(sweeper, monkeypatch):
    """What it has not handed in is what a sweep that is killed loses; a case of this kernel takes 20 ms."""
    sweeper.command("slow")
    monkeypatch.chdir(sweeper.folder)
    case = {"--nki-check": ["values"], "--nki-case": ["c2h4w4k2:fp32:normal:s0"]}
    session = session_of({"--nki-kernel": ["pool.py:avgpool"], "--nki-backend": ["baremetal"], **case}, Path("r.jsonl"))

    lines = Worker(orders(session, here=True)).run(cases_of(session.plan, 50))

    assert 1 <= len(lines) <= 6


@pytest.mark.skipif(os.name != "posix", reason="needs resource limits")
def test_a_disk_that_fills_ends_a_sweep_with_a_reason_and_it_is_resumed(sweeper, monkeypatch):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000))"
    (sweeper.folder / "sitecustomize.py").write_text(limit)
    monkeypatch.setenv("PYTHONPATH", str(sweeper.folder))
    full = sweeper.run("good", *FEW)
    part = read(sweeper.folder / "r.jsonl")
    monkeypatch.delenv("PYTHONPATH")

    assert full.returncode == 2
    assert "r.jsonl cannot be written: File too large; go on with --resume=r.jsonl" in full.stderr
    assert "Traceback" not in full.stderr
    assert 0 < len(part.records) < 31
    assert "no closing line" in part.damage

    resumed = sweeper.run("good", *FEW, "--resume=r.jsonl")
    assert resumed.returncode == 0
    assert len(read(sweeper.folder / "r.jsonl").whole().statuses) == 31


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_interrupted_sweep_says_how_it_goes_on(sweeper):
    process = sweeper.start("slow", "--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=3000")
    until(lambda: verdicts(sweeper.folder / "r.jsonl") > 20)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "the sweep ended early: it was interrupted; go on with --resume=r.jsonl" in error
    assert "Traceback" not in error


def test_the_answer_is_json_and_stdout_holds_nothing_else(sweeper):
    command = sweeper.command("prints", *FEW, "--json")
    done = subprocess.run(command, cwd=sweeper.folder, capture_output=True, text=True, check=False)

    answer = json.loads(done.stdout)
    assert (answer["cases"], answer["statuses"], answer["report"]) == (31, {"PASS": 31}, "r.jsonl")
    assert "noise" in done.stderr


def test_seeds_that_are_given_together_are_the_cases_of_each(sweeper):
    assert sweeper.run("good", *SMALL, "--seeds=2").returncode == 0
    assert sweeper.run("good", *SMALL, "--seed=1", report="one.jsonl").returncode == 0
    both, second = (set(read(sweeper.folder / name).statuses) for name in ("r.jsonl", "one.jsonl"))

    assert second < both
    assert {case.rpartition(":")[2] for case in both - second} == {"s0"}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--kernel=nowhere.py:f"], "nowhere.py"),
        (["--kernel=pool.py:avgpool", "--nki-tier=huge"], "--nki-tier: 'huge' is not known"),
        (["--kernel=pool.py:avgpool", "--case=c1"], "'c1' is no case"),
        (["--kernel=pool.py:avgpool", "--report=r.json"], "r.json is no .jsonl"),
        (["--kernel=pool.py:avgpool", "--report=no/where.jsonl"], "cannot be written: No such file"),
        (["--kernel=pool.py:avgpool", "--resume=nowhere.jsonl"], "--resume: nowhere.jsonl: No such file"),
        (["--kernel=pool.py:avgpool", "--check=agreement"], "there is no such case"),
        (["--kernel=pool.py:avgpool", "--target=device"], "no Neuron device; looked for /dev/neuron<N>"),
    ],
    ids=["kernel", "tier", "case", "suffix", "folder", "resume", "nothing", "device"],
)
def test_what_cannot_be_had_is_said_in_a_sentence(sweeper, monkeypatch, capsys, args, reason):
    sweeper.command("good")
    monkeypatch.chdir(sweeper.folder)

    assert main(["sweep", "--backend=baremetal", "--report=r.jsonl", *args]) == 2

    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_what_is_set_for_pytest_and_not_heeded_is_refused(sweeper, monkeypatch, capsys):
    monkeypatch.setenv("NKI_POOL_SHARD", "1/2")
    monkeypatch.chdir(sweeper.folder)

    assert main(["sweep", "--report=r.jsonl"]) == 2
    assert "NKI_POOL_SHARD is set, and a sweep does not take it" in capsys.readouterr().err


def test_the_report_of_another_sweep_is_not_resumed(sweeper):
    sweeper.run("good", *FEW)

    other = sweeper.run("good", *FEW, "--seeds=31", "--resume=r.jsonl", report="s.jsonl")

    assert other.returncode == 2
    assert "r.jsonl is the report of another run: --nki-seeds is 30 in one and 31 in the other" in other.stderr


class Fake:
    """An engine on which some cases die, of which a slice takes three cases, and that keeps a diary."""

    def __init__(self, deadly=(), mortal=(), unlucky=()):
        self.deadly, self.mortal, self.lone, self.batches = set(deadly), set(mortal), [], []
        self.unlucky = set(unlucky)
        self._running = []

    def free(self):
        return 2 - len(self._running)

    def submit(self, batch):
        self.batches.append(batch)
        self._running.append(batch)

    def wait(self):
        done, self._running = self._running, []
        return [(batch, None if self._dies(batch) else [{"case": case} for case in batch[:3]]) for batch in done]

    def alone(self, case):
        self.lone.append(case)
        return None if case in self.deadly else {"case": case}

    def close(self):
        pass

    def _dies(self, batch):
        if not self.unlucky.isdisjoint(batch):
            self.unlucky.difference_update(batch)
            return True
        return not (self.deadly | self.mortal).isdisjoint(batch[:3])


@pytest.mark.parametrize("size", [1, 4, 10, 100])
def test_every_case_has_one_verdict_whoever_dies(size):
    engine = Fake(deadly="fx", mortal="k")
    cases = [chr(ord("a") + number) for number in range(26)]

    lines = list(drive(engine, cases, size, lambda case: {"case": case, "died": True}))

    assert sorted(line["case"] for line in lines) == cases
    assert sorted(line["case"] for line in lines if "died" in line) == ["f", "x"]
    assert sorted(engine.lone) == ["f", "k", "x"]
    assert max(map(len, engine.batches)) == min(size, 26)


def test_a_case_whose_worker_somebody_killed_does_not_hold_up_the_others():
    """It takes a fresh process to run a case alone, and where a machine was lost there may be none for long."""
    engine = Fake(unlucky="k")

    lines = list(drive(engine, list("ijklm"), 1, lambda case: {"case": case, "died": True}))

    assert sorted(line["case"] for line in lines) == list("ijklm")
    assert engine.lone == []


def alive(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
