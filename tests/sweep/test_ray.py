"""Ray: one actor per NeuronCore, and a cluster that loses a machine."""

from __future__ import annotations

import time

import pytest

from pytest_nki_pool.report.read import read

pytestmark = pytest.mark.needs("ray")

ARGS = ("--engine=ray", "--check=values", "--case=c2h4w4k2:fp32:normal:s0", "--seeds=400")


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of two machines with one NeuronCore each; no hardware is needed for Ray to hand them out."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    memory = 80 * 1024 * 1024
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, resources={"neuron_cores": 1}, object_store_memory=memory)
    cluster.wait_for_nodes()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


@pytest.mark.filterwarnings("ignore")  # of Ray's own processes and files
def test_each_core_has_an_actor_and_the_loss_of_a_machine_changes_no_verdict(sweeper, cluster):
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


def test_the_engine_says_what_it_needs(sweeper, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    refused = sweeper.run("good", *ARGS)

    assert refused.returncode == 2
    assert "--engine=ray: the Ray cluster at 127.0.0.1:1 cannot be joined" in refused.stderr
