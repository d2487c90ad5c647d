"""`--nki-artifacts`: the arrays of a failure, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.report.artifacts import folder_name, keep
from pytest_nki_pool.spec import data
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.verdict import Status


def load(folder):
    spec = spec_from_file_location("load_arrays", folder / "load_arrays.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, np.int8])
@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 3), ()])
def test_every_bit_comes_back(report, tmp_path, dtype, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = np.arange(size, dtype=np.uint8).view(dtype).reshape(shape)

    again = load(keep(tmp_path, report(Status.FAIL).records[0], {"input": array}))["input"]

    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_a_failure_keeps_what_was_given_returned_and_expected(wrong_run):
    (folder,) = (wrong_run / "arrays").glob("values-avgpool-baremetal-emulator-trn2-c2h6w6k2-bf16-*")
    verdict = json.loads((folder / "verdict.json").read_text())
    case = Case.parse(verdict["case"])

    arrays = load(folder)

    assert verdict["status"] == "FAIL"
    assert arrays["input"].tobytes() == arrays["launch0_input0"].tobytes() == data.make(case).tobytes()
    output = arrays["launch0_output0"].astype(np.float64)
    assert output.shape == arrays["low"].shape == arrays["high"].shape == case.out_shape
    first = tuple(verdict["location"]["index"])
    assert output[first] == verdict["location"]["got"]
    assert not arrays["low"][first] <= output[first] <= arrays["high"][first]


def test_only_failures_are_kept(wrong_run):
    kept = {json.loads(path.read_text())["case"] for path in (wrong_run / "arrays").glob("*/verdict.json")}
    lines = [json.loads(line) for line in (wrong_run / "r.jsonl").read_text().splitlines()[1:-1]]

    assert kept == {line["case"] for line in lines if line["status"] == "FAIL"}
    assert kept < {line["case"] for line in lines}


def test_the_script_prints_the_arrays(wrong_run):
    folder = next((wrong_run / "arrays").iterdir())

    result = subprocess.run([sys.executable, folder / "load_arrays.py"], capture_output=True, text=True, check=True)

    assert "launch0_output0" in result.stdout


def test_long_identities_have_short_distinct_folders():
    names = {folder_name("values/" + "k" * 300 + end) for end in "ab"}

    assert len(names) == 2
    assert max(map(len, names)) < 200


def test_a_folder_that_cannot_be_is_a_usage_error(suite, pytester):
    (pytester.path / "file").touch()

    result = suite("--nki-artifacts=file/arrays", here=True)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--nki-artifacts: *file/arrays*"])
