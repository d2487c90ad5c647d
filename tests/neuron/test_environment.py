"""The environment of a device launch: what is set, removed and refused, and what a report may tell of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.environment import REMOVED, Folders, prepare, prepare_simulator, refusals
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.lease import lease


@pytest.fixture
def folders(tmp_path):
    return Folders.below(tmp_path / "run", "gw3")


@pytest.fixture
def held(folder):
    """A lease of the logical cores 2 and 3 of a Trn2."""
    with lease([Core(2, 0, (4, 5)), Core(3, 0, (6, 7))], folder, count=2) as held:
        yield held


def test_what_is_set(held, folders):
    made = prepare({"PATH": "/bin"}, held, folders, "trn2", worker="gw3", exec_timeout=20)

    assert dict(made.set) == {
        "NEURON_RT_VISIBLE_CORES": "2-3",
        "NEURON_LOGICAL_NC_CONFIG": "2",
        "NEURON_RT_STOCHASTIC_ROUNDING_EN": "0",
        "NEURON_RT_RESET_CORES": "1",
        "NEURON_RT_EXEC_TIMEOUT": "20",
        "NEURON_RT_LOCAL_CORE_DUMP_DIRECTORY": f"{folders.dumps}/dt-%d-cid-%c",
        "NEURON_COMPILE_CACHE_URL": str(folders.cache),
        "NEURON_PROCESS_TAG": "nki-pool-gw3",
        "NKI_ARTIFACTS_DIR": str(folders.artifacts),
        "NKI_PRECISE_FP": "1",
        "PJRT_DEVICE": "NEURON",
    }
    assert dict(made.variables) == {"PATH": "/bin"} | dict(made.set)
    assert dict(made.removed) == {}
    assert prepare({}, held, folders, "trn2").variables["NEURON_PROCESS_TAG"] == "nki-pool-main"


#: Every variable that silently invalidates a run, as a user might have set it.
DANGERS = {
    "XLA_USE_BF16": "1",
    "XLA_DOWNCAST_BF16": "1",
    "NEURON_RT_STOCHASTIC_ROUNDING_SEED": "7",
    "NEURON_RUN_TRIVIAL_COMPUTATION_ON_CPU": "1",
    "NEURON_RT_ALLOW_LEGACY_NEFF": "1",
    "NEURON_RT_NUM_CORES": "4",
    "NEURON_RT_VIRTUAL_CORE_SIZE": "2",
    "NEURON_RT_ROOT_COMM_ID": "host:61234",
    "NEURON_PJRT_PROCESSES_NUM_DEVICES": "1,1",
    "NEURON_PJRT_PROCESS_INDEX": "0",
    "NEURONCORE_NUM_DEVICES": "2",
    "NEURON_FAIL_ON_NAN": "1",
    "NEURON_RT_NUMERICAL_ERRORS_VERBOSITY": "critical",
    "NKI_SIMULATOR": "0",
    "NEURON_EXTRACT_GRAPHS_ONLY": "0",
    "JAX_PLATFORMS": "cpu",
}


@pytest.mark.parametrize("name", DANGERS)
def test_what_is_removed_and_why(held, folders, name):
    made = prepare({name: DANGERS[name]}, held, folders, "trn2")

    assert name not in made.variables
    assert made.removed.keys() == {name}
    assert made.removed[name]


def test_every_removal_has_a_test():
    assert REMOVED.keys() <= DANGERS.keys()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("NEURON_RT_STOCHASTIC_ROUNDING_EN", "1", "0"),
        ("NKI_PRECISE_FP", "0", "1"),
        ("NEURON_RT_RESET_CORES", "0", "1"),
        ("NEURON_LOGICAL_NC_CONFIG", "1", "2"),
        ("NEURON_RT_VISIBLE_CORES", "0-3", "2-3"),
        ("NEURON_CC_FLAGS", "--retry_failed_compilation --cache_dir=/home/x", "--retry_failed_compilation"),
        ("NEURON_CC_FLAGS", "--cache_dir /home/x --no_cache", "--no_cache"),
        ("NEURON_CC_FLAGS", "--auto-cast=none", "--auto-cast=none"),
        ("JAX_PLATFORMS", "neuron,cpu", "neuron,cpu"),
        ("NEURON_PLATFORM_TARGET_OVERRIDE", "gen3", "gen3"),
        ("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2", "trn2"),
        ("NEURON_RT_LOG_LEVEL", "DEBUG", "DEBUG"),
    ],
)
def test_what_a_user_has_set_is_overridden_or_kept(held, folders, name, before, after):
    assert prepare({name: before}, held, folders, "trn2").variables[name] == after


def test_a_chip_without_logical_cores_is_not_given_a_configuration(folders, folder):
    with lease([Core(1, 0, (1,))], folder) as one:
        made = prepare({"NEURON_LOGICAL_NC_CONFIG": "1"}, one, folders, "trn1")

    assert "NEURON_LOGICAL_NC_CONFIG" not in made.variables
    assert made.variables["NEURON_RT_VISIBLE_CORES"] == "1"


REFUSED = {
    "simulator": ({"NKI_SIMULATOR": "1"}, "NKI_SIMULATOR runs every kernel in the CPU simulator"),
    "graphs only": ({"NEURON_EXTRACT_GRAPHS_ONLY": "true"}, "NEURON_EXTRACT_GRAPHS_ONLY replaces execution by zeros"),
    "PJRT": ({"PJRT_DEVICE": "CPU"}, "PJRT_DEVICE=CPU takes torch_xla away from the device"),
    "override": (
        {"NEURON_PLATFORM_TARGET_OVERRIDE": "trn1"},
        "NEURON_PLATFORM_TARGET_OVERRIDE=trn1 compiles for another chip than trn2, which this run is for; unset it",
    ),
    "cast": ({"NEURON_CC_FLAGS": "--auto-cast=all"}, "NEURON_CC_FLAGS has --auto-cast=all, which changes numerics"),
    "cast apart": ({"NEURON_CC_FLAGS": "--auto-cast matmult"}, "NEURON_CC_FLAGS has --auto-cast=matmult, which"),
    "cast type": ({"NEURON_CC_FLAGS": "--auto-cast-type=bf16"}, "NEURON_CC_FLAGS has --auto-cast-type=bf16, which"),
    "level": ({"NEURON_CC_FLAGS": "--no_cache -O1"}, "NEURON_CC_FLAGS has -O1, which"),
    "long level": ({"NEURON_CC_FLAGS": "--optlevel=3"}, "NEURON_CC_FLAGS has --optlevel=3, which"),
    "fast math": ({"NEURON_CC_FLAGS": "--fast-math=all"}, "NEURON_CC_FLAGS has --fast-math=all, which"),
    "quotes": ({"NEURON_CC_FLAGS": "--no_cache 'x"}, "NEURON_CC_FLAGS cannot be read: No closing quotation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_contradicts_a_run_on_the_device_is_refused(held, folders, name):
    environ, says = REFUSED[name]

    [sentence] = refusals(environ, "trn2")

    assert sentence.startswith(says)
    with pytest.raises(NeuronError) as error:
        prepare(environ, held, folders, "trn2")
    assert str(error.value) == sentence


def test_everything_that_is_refused_is_told_at_once():
    assert len(refusals({"NKI_SIMULATOR": "1", "PJRT_DEVICE": "CPU", "NEURON_CC_FLAGS": "-O3"}, "trn2")) == 3
    assert refusals({"PJRT_DEVICE": "NEURON", "NEURON_CC_FLAGS": "--auto-cast none"}, "trn2") == ()


@pytest.mark.parametrize(("platform", "override"), [("trn1n", "gen2"), ("trn2", "gen3"), ("trn3", "gen4")])
def test_the_simulator_is_told_its_chip_and_keeps_low_precision(platform, override):
    made = prepare_simulator({"PATH": "/bin", "NKI_PRECISE_FP": "0"}, platform)

    assert dict(made.variables) == {
        "PATH": "/bin",
        "NEURON_PLATFORM_TARGET_OVERRIDE": override,
        "NKI_PRECISE_FP": "1",
    }
    assert made.recorded() == dict(made.set)


def test_a_simulator_of_another_chip_is_refused():
    with pytest.raises(NeuronError, match="NEURON_PLATFORM_TARGET_OVERRIDE=trn3 compiles for another chip than trn2"):
        prepare_simulator({"NEURON_PLATFORM_TARGET_OVERRIDE": "trn3"}, "trn2")


def test_folders_are_the_workers_own_absolute_and_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    one, other = Folders.below(tmp_path.relative_to(tmp_path), "gw0"), Folders.below(tmp_path, "gw1")

    ours = {one.cache, one.artifacts, one.dumps}
    assert len(ours | {other.cache, other.artifacts, other.dumps}) == 6
    assert all(path.is_absolute() and path.is_dir() for path in ours)


SECRETS = {
    "NEURON_RT_S3_CORE_DUMP_PREFIX": "s3://bucket-of-acme/dumps",
    "NEURON_RT_LOG_LOCATION": "/home/alice/log",
    "NEURON_API_TOKEN": "123456",
    "NEURON_INSTANCE_ID": "4711",
    "NEURON_HOST": "17",
    "NEURON_WHATEVER": "ip-10-0-0-1",
    "JAX_COORDINATOR_ADDRESS": "node7.cluster:1234",
    "NEURON_CC_FLAGS": "--no_cache --verbose=35 --dump=/home/alice --log_level=debug s3://acme",
    "AWS_SECRET_ACCESS_KEY": "AKIA",
    "HOSTNAME": "node7",
}


def test_a_report_tells_settings_and_no_host_names_ids_or_tokens(held, folders):
    made = prepare(SECRETS | {"NEURON_RT_LOG_LEVEL": "1"}, held, folders, "trn2")

    recorded = made.recorded()

    assert recorded.keys() >= {"NEURON_RT_S3_CORE_DUMP_PREFIX", "NEURON_API_TOKEN", "NEURON_COMPILE_CACHE_URL"}
    assert {"AWS_SECRET_ACCESS_KEY", "HOSTNAME"}.isdisjoint(recorded)
    assert recorded["NEURON_CC_FLAGS"] == "--no_cache --verbose=35 (set) --log_level=debug (set)"
    assert {name: value for name, value in recorded.items() if value != "(set)" and name != "NEURON_CC_FLAGS"} == {
        "NEURON_LOGICAL_NC_CONFIG": "2",
        "NEURON_RT_EXEC_TIMEOUT": "30",
        "NEURON_RT_LOG_LEVEL": "1",
        "NEURON_RT_RESET_CORES": "1",
        "NEURON_RT_STOCHASTIC_ROUNDING_EN": "0",
        "NEURON_RT_VISIBLE_CORES": "2-3",
        "NKI_PRECISE_FP": "1",
        "PJRT_DEVICE": "NEURON",
    }


def test_the_repr_of_an_environment_holds_nobodys_secret(held, folders):
    assert "AKIA" not in repr(prepare(SECRETS, held, folders, "trn2"))


def test_a_child_process_sees_the_environment(held, folders):
    made = prepare(dict(os.environ) | {"XLA_USE_BF16": "1"}, held, folders, "trn2")

    program = "import os; print(os.environ['NEURON_RT_VISIBLE_CORES'], 'XLA_USE_BF16' in os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=made.variables, capture_output=True, text=True, check=True
    )

    assert done.stdout == "2-3 False\n"
