"""Run trials in a process that sees the stand-ins: ``python -m sdk.drive ARGUMENT``.

It writes the verdicts as JSON. The argument is JSON with the keys target, platform, tier, backends, kernels (labels of
our own; those that fit when left out), checks, and client: what PyTorch/XLA's client is to call its devices instead.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def drive(
    target: str = "device", platform: str = "trn2", tier: str = "smoke", client: str = "", **chosen: list[str]
) -> dict[str, Any]:
    """The verdicts, and the kernels that do not apply with the reason."""
    if client:
        model = importlib.import_module("torch_xla.core.xla_model")
        model.xla_real_devices = lambda names: [f"{client}:0" for _ in names]
    from pytest_nki_pool.kernels import SPECS

    from pytest_nki_pool.checks import GROUPS
    from pytest_nki_pool.launch.kernel import convention_of
    from pytest_nki_pool.launch.targets import target as find_target
    from pytest_nki_pool.plan import Plan
    from pytest_nki_pool.run import Workbench

    refused = {spec.label: find_target(target).refusal(spec.dialect, convention_of(spec)) for spec in SPECS}
    labels = chosen.get("kernels") or [label for label, reason in refused.items() if not reason]
    specs = tuple(spec for spec in SPECS if spec.label in labels)
    backends = tuple(chosen.get("backends") or ("baremetal", "torch", "jax"))
    plan = Plan(specs, backends, target, (platform,), tier=tier, checks=tuple(chosen.get("checks", ())))
    bench = Workbench(target, Path.cwd())
    trials = [trial for group in GROUPS for trial in plan.trials(group)]
    verdicts = [bench.verdict(trial).to_json() for trial in trials]
    return {"verdicts": verdicts, "refused": {label: reason for label, reason in refused.items() if reason}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(drive(**json.loads(sys.argv[1]))))
