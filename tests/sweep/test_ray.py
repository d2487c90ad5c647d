"""Ray: one actor per NeuronCore, and a cluster that loses a machine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from pytest_nki_pool.neuron.lease import free_cores
from pytest_nki_pool.report.read import read
from pytest_nki_pool.sweep.engine import EngineError

pytestmark = pytest.mark.needs("ray")

ARGS = ("--engine=ray", "--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=400")


@pytest.fixture
def start(monkeypatch):
    """Starts a cluster of machines with these numbers of NeuronCores; Ray needs no hardware to hand them out."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    started = []

    def start(*machines):
        memory = 80 * 1024 * 1024
        head = {"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        started.append(cluster)
        for cores in machines:
            cluster.add_node(num_cpus=1, resources={"neuron_cores": cores}, object_store_memory=memory)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        return cluster

    yield start
    for cluster in started:
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore")  # of Ray's own processes and files
def test_each_core_has_an_actor_and_the_loss_of_a_machine_changes_no_verdict(sweeper, start):
    cluster = start(1, 1)
    process = sweeper.start("tells", *ARGS)
    path = sweeper.folder / "r.jsonl"
    end = time.monotonic() + 90
    while not path.exists() or path.read_bytes().count(b'"line":"verdict"') < 40:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    workers = {file.name for file in sweeper.folder.glob("core-*")}

    cluster.remove_node(next(iter(cluster.worker_nodes)))
    _, error = process.communicate(timeout=120)

    assert len(workers) == 2
    assert all(name.startswith("core-0-") for name in workers)  # of each machine the first
    assert process.returncode == 0, error
    assert list(read(path).whole().statuses.values()) == ["PASS"] * 400


@pytest.fixture
def trainium(machine, monkeypatch):
    """A machine whose sweeps go to the cluster's machines, and that has no SDK itself once that is taken away."""
    monkeypatch.delenv("TMPDIR")  # Ray's sockets are below it, and their paths must be short
    return machine


def take_away_sdk(monkeypatch):
    """What starts from now on has no SDK."""
    kept = [path for path in os.environ["PYTHONPATH"].split(os.pathsep) if not path.endswith("site")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(kept))


@pytest.mark.filterwarnings("ignore")
def test_on_devices_the_actors_need_the_sdk_and_the_sweep_does_not(trainium, start, monkeypatch):
    start(2)
    take_away_sdk(monkeypatch)
    args = ("--engine=ray", "--target=device", "--timeout=5", "--check=values", "--case=c2h4w4k2:fp32:normal:s0")
    process = trainium.start("slow", *args, "--seeds=60", "--case=c2h4w6k2:fp32:ones", "--case=c2h5w4k2:fp32:ones")
    end = time.monotonic() + 90
    while len({launch["pid"] for launch in trainium.launches()}) < 2:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    child = trainium.launches()[0]["pid"]
    actor = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(actor, signal.SIGKILL)
    _, error = process.communicate(timeout=120)
    report = read(trainium.folder / "r.jsonl")

    assert process.returncode == 0, error
    assert list(report.whole().statuses.values()) == ["PASS"] * 62
    assert (report.run.device, report.run.platforms) == ("trn1", {"trn1": "gen2"})
    assert "neuronx-cc" in report.run.versions
    cores = {}
    for launch in trainium.launches():
        cores.setdefault(launch["pid"], set()).add(launch["cores"])
    assert sorted(map(sorted, cores.values())) in ([["0"], ["0"], ["1"]], [["0"], ["1"], ["1"]])
    assert free_cores(trainium.cores, trainium.locks) == trainium.cores

    for node in (trainium.folder / "machine/dev").iterdir():
        node.unlink()
    refused = trainium.run("good", *args, report="none.jsonl")
    assert refused.returncode == 2
    assert "target device: no Neuron device; looked for" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (trainium.folder / "none.jsonl").exists()


@pytest.mark.filterwarnings("ignore")
def test_an_actor_whose_core_rests_takes_no_cases_from_the_others(trainium, monkeypatch):
    """Without RAY_ADDRESS the cluster is this machine, with as many NeuronCores as may be used."""
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "0-1")
    cases = ("--case=c2h5w4k2:fp32:ones", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=30")
    cases += ("--case=c2h5w5k2:fp32:ones", "--case=c2h4w4k2:fp32:ones")
    swept = trainium.run("hangs", "--engine=ray", "--check=values", *cases, "--timeout=2", "--device-wait=1")

    assert swept.returncode == 2
    assert "the sweep ended early: no NeuronCore is left" in swept.stderr
    found = list(read(trainium.folder / "r.jsonl").statuses.values())
    assert (len(found), found.count("PASS"), found.count("TIMEOUT")) == (32, 30, 2)
    assert {launch["cores"] for launch in trainium.launches()} == {"0", "1"}


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_without_neuron_cores_launches_on_no_device(trainium, start):
    start(0)
    refused = trainium.run("good", "--engine=ray", "--target=device", "--check=values")

    assert refused.returncode == 2
    assert "--engine=ray: the Ray cluster has no neuron_cores, and the target is a device" in refused.stderr


def test_the_engine_says_what_it_needs(sweeper, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    refused = sweeper.run("good", *ARGS)

    assert refused.returncode == 2
    assert "--engine=ray: the Ray cluster at 127.0.0.1:1 cannot be joined" in refused.stderr


def test_a_cluster_that_does_not_start_in_time_is_no_traceback(monkeypatch):
    import ray

    from pytest_nki_pool.sweep.ray_actors import Ray

    def late(**_):
        raise Exception("The current node timed out during startup.")  # noqa: TRY002 - as Ray does

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", late)

    with pytest.raises(EngineError, match="the Ray cluster at local cannot be joined: The current node timed out"):
        Ray({"settings": {"given": {"target": ["emulator"]}}, "machine": None}, 1)
