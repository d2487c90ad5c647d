from __future__ import annotations

import pytest
from pytest_nki_pool.kernels import SPECS
from sdk import PLACEHOLDERS, SDKS

from pytest_nki_pool.launch.kernel import convention_of
from pytest_nki_pool.launch.sdk import ADAPTERS, SdkError, find, installed
from pytest_nki_pool.launch.trust import witness_of

GENERATION = {
    "2.20": "2.20",
    "2.21": "2.21",
    "2.23": "2.21",
    "2.25": "2.21",
    "2.26": "2.21",
    "2.27": "2.27",
    "2.28": "2.27",
    "2.29": "2.29",
    "2.30": "2.29",
    "2.31": "2.29",
    "2.32": "2.29",
    "2.33": "2.33",
}


@pytest.mark.parametrize("sdk", SDKS)
def test_each_sdk_is_launched_as_its_generation(sdk: str) -> None:
    found = find(SDKS[sdk])
    assert found.adapter is ADAPTERS[GENERATION[sdk]]
    assert found.note == ""


def test_every_sdk_of_the_stand_ins_has_a_generation() -> None:
    assert GENERATION.keys() == SDKS.keys()
    assert set(GENERATION.values()) == ADAPTERS.keys()


@pytest.mark.parametrize(("torch_neuronx", "tensors"), [("2.9.0.2.15.32035", "xla"), ("2.15.1.0", "neuron")])
def test_an_unknown_newer_sdk_is_launched_like_the_newest_and_says_so(torch_neuronx: str, tensors: str) -> None:
    found = find({"nki": "0.12.0", "neuronx-cc": "2.40.1", "torch-neuronx": torch_neuronx})
    assert found.adapter.tensors == tensors
    assert found.adapter.dialect == "current"
    assert "newer than nki 0.7" in str(found)


def test_legacy_entry_points_are_never_chosen_beside_the_nki_distribution() -> None:
    assert find({"neuronx-cc": "2.21.18209.0", "nki": "0.3.0"}).adapter.dialect == "current"


def test_a_preview_of_nki_is_launched_through_the_compiler() -> None:
    assert find({"neuronx-cc": "2.22.12471.0", "nki": "0.1.0"}).adapter is ADAPTERS["2.27"]


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        pytest.param({}, ("no Neuron SDK", "nki (0.3 or newer)", "found neither"), id="nothing"),
        pytest.param(
            PLACEHOLDERS, ("placeholders alone", "neuronx-cc 1.0.post1", "nki 0.0.1", "AWS's own"), id="placeholders"
        ),
        pytest.param({"nki": "0.0.1"}, ("placeholders alone: nki 0.0.1",), id="one placeholder"),
        pytest.param({"neuronx-cc": "2.27.5334.0"}, ("neuronx-cc 2.27.5334.0", "install nki"), id="left-over compiler"),
        pytest.param({"neuronx-cc": "2.14.1"}, ("older than SDK 2.20",), id="too old"),
    ],
)
def test_what_cannot_launch_is_explained(versions: dict[str, str], says: tuple[str, ...]) -> None:
    with pytest.raises(SdkError) as raised:
        find(versions)
    for part in says:
        assert part in str(raised.value)


def test_a_placeholder_beside_a_real_distribution_does_not_count() -> None:
    versions = {"neuronx-cc": "2.21.18209.0", "nki": "0.0.1", "torch-neuronx": "1.0"}
    assert dict(installed(versions)) == {"neuronx-cc": "2.21.18209.0"}
    assert find(versions).without("torch").startswith("torch-xla and torch-neuronx of the Neuron SDK not installed")


@pytest.mark.parametrize(
    ("sdk", "backend", "lacks"),
    [
        ("2.26", "torch", ("torch-neuronx",)),
        ("2.20", "jax", ("jax-neuronx",)),
        ("2.31", "jax", ("libneuronxla",)),
        ("2.33", "torch", ("torch-neuronx",)),
    ],
)
def test_a_framework_path_names_what_it_lacks(sdk: str, backend: str, lacks: tuple[str, ...]) -> None:
    complete = SDKS[sdk] | {"libneuronxla": "3.0"}
    versions = {name: version for name, version in complete.items() if name not in lacks}
    if sdk == "2.33":
        versions["torch-neuronx"] = PLACEHOLDERS["torch-neuronx"]
        assert find(versions).adapter is ADAPTERS["2.29"]
        lacks = ("torch-xla",)
    assert find(complete).without(backend) == ""
    assert find(versions).without(backend).startswith(" and ".join(lacks))
    assert find(versions).without("baremetal") == ""


def test_a_refusal_names_the_api_the_sdk_found_and_what_would_run_the_kernel() -> None:
    refusal = find(SDKS["2.31"]).refusal("legacy", "returns")
    assert refusal.startswith("written for neuronxcc.nki")
    for part in ("nki 0.5.0", "SDK 2.21 to 2.26 or SDK 2.27 and 2.28 or --nki-target=emulator"):
        assert part in refusal


def test_a_refusal_of_a_convention_names_it() -> None:
    refusal = find(SDKS["2.26"]).refusal("legacy", "out_parameter")
    assert "made to take their output as an argument" in refusal
    assert "SDK 2.20 or --nki-target=emulator would run it" in refusal


@pytest.mark.parametrize("sdk", SDKS)
def test_each_sdk_launches_the_kernels_of_its_dialect_and_convention_and_no_others(sdk: str) -> None:
    found = find(SDKS[sdk])
    launched = {spec.label for spec in SPECS if not found.refusal(spec.dialect, convention_of(spec))}
    expected = {
        "2.20": {"tutorial_out_parameter"},
        "2.21": {"tutorial_returning", "production_legacy"},
        "2.27": {"tutorial_returning", "production_legacy"},
        "2.29": {"tutorial_access_pattern", "production_current"},
        "2.33": {"tutorial_access_pattern", "production_current"},
    }
    assert launched == expected[GENERATION[sdk]]
    witness = witness_of(found)
    assert witness is not None
    assert witness.label in launched


def test_what_is_unknown_of_a_kernel_is_no_reason_to_refuse_it() -> None:
    assert find(SDKS["2.31"]).refusal(None, None) == ""
    assert find(SDKS["2.31"]).refusal("current", None) == ""
    assert find(SDKS["2.31"]).refusal(None, "out_parameter") != ""
