"""What a person reads above and below a run."""

from __future__ import annotations

from pytest_nki_pool.report import terminal
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict


def verdict(status, aspect="structure", **facts):
    return Verdict(Identity("c", "k", "jax", "emulator", "trn2", "x"), Finding(status, **facts), aspect=aspect)


def test_structure_and_numerics_are_counted_apart():
    verdicts = [
        verdict(Status.PASS),
        verdict(Status.FAIL, "numerics"),
        verdict(Status.PASS, "numerics"),
        verdict(Status.CRASH, ""),
    ]

    assert terminal.aspects(verdicts) == {
        "structure": "1 PASS",
        "numerics": "1 PASS, 1 FAIL",
        "not judged": "1 CRASH",
    }


def test_a_table_has_the_worst_of_each_row():
    verdicts = [verdict(Status.PASS, max_ulp=1.0, share=0.5), verdict(Status.FAIL, max_ulp=9.0, share=float("inf"))]

    assert terminal.table(verdicts) == [
        "kernel  backend  generation  PASS  FAIL  worst ulp  of bound",
        "k       jax      gen3           1     1          9       inf",
    ]


def test_the_header_names_every_setting_with_its_source(suite, monkeypatch):
    monkeypatch.setenv("NKI_POOL_SEED", "3")

    lines = suite("--nki-report=r.json", "--collect-only", here=True).stdout.lines

    header = [" ".join(line.split()) for line in lines if line.startswith("nki ")]
    assert {
        "nki kernel pool.py:avgpool [--nki-kernel]",
        "nki seed 3 [NKI_POOL_SEED]",
        "nki target emulator [default]",
        "nki platform trn2 (gen3) [default]",
        "nki report r.json [--nki-report]",
    } <= set(header)
    assert any(line.startswith("nki versions python 3.") and "numpy " in line for line in header)
