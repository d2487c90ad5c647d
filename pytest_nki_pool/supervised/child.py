"""The process in which trials run that may hang, crash or hold a device (``python -m …supervised.child``).

It is started by `pytest_nki_pool.supervised.parent`, and does what that asks until the pipe is closed.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.launch.supervisor import Pipe, die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Runner:
    """Runs trials one after the other.

    Args:
        pipe: to the process that asks.
        setup: its first request.
    """

    def __init__(self, pipe: Pipe, setup: Mapping[str, Any]) -> None:
        from pytest_nki_pool.launch.backends import BACKENDS  # noqa: PLC0415 - when `sys.path` is that of the parent
        from pytest_nki_pool.launch.watch import Watch  # noqa: PLC0415
        from pytest_nki_pool.run import Workbench  # noqa: PLC0415

        self._pipe = pipe
        self._breadcrumb = Path(setup["breadcrumb"])
        watch = Watch(counters=setup["counters"], arrays=setup["arrays"])
        self._bench = Workbench(setup["target"], Path(setup["root"]), watch)
        self._kernel = lru_cache(maxsize=None)(self._unpack_kernel)
        for name in setup["backends"]:
            BACKENDS[name].path()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run the trial of a request, or keep the arrays of the one that ran last."""
        import numpy as np  # noqa: PLC0415

        from pytest_nki_pool.supervised import wire  # noqa: PLC0415
        from pytest_nki_pool.verdict import Finding, Status, Verdict  # noqa: PLC0415

        trial = wire.unpack(request["trial"], self._kernel)
        if "arrays" in request:
            arrays = self._bench.arrays(trial)
            raw: dict[str, Any] = {name: np.frombuffer(array.tobytes(), "u1") for name, array in arrays.items()}
            np.savez(request["arrays"], **raw)
            return {"arrays": {name: [array.dtype.name, array.shape] for name, array in arrays.items()}}
        self._breadcrumb.write_text(str(trial.identity), encoding="utf-8")
        try:
            verdict = self._bench.verdict(trial)
        except Exception:  # what the suite does not foresee ends the case, not the process
            message = f"the suite itself failed:\n{traceback.format_exc()}"
            verdict = Verdict(trial.identity, Finding(Status.INTERNAL, message))
        self._breadcrumb.write_text("", encoding="utf-8")
        return {"verdict": verdict.to_json(), "blamed": self._bench.blamed}

    def _unpack_kernel(self, text: str) -> Any:
        from pytest_nki_pool.supervised import wire  # noqa: PLC0415

        return wire.unpack_kernel(text, lambda number, args: wire.result(self._pipe.ask(wire.question(number, args))))


def main() -> None:
    """Answer requests until the pipe is closed."""
    pipe = Pipe()
    setup = pipe.receive()
    if setup is None:
        return
    die_with_parent(setup["parent"])
    sys.path[:] = setup["path"]
    if setup["lease"]:
        _hold(setup["lease"])
    runner = _Runner(pipe, setup)
    pipe.send({"ready": True})
    while (request := pipe.receive()) is not None:
        pipe.send(runner.answer(request))


def _hold(handover: str) -> None:
    """Hold a lease until the process is gone: native code still uses the device when Python has ended."""
    from pytest_nki_pool.neuron.lease import adopt  # noqa: PLC0415 - it needs an extra that others do without

    with adopt(handover) as lease:
        for descriptor in lease.descriptors:
            os.dup(descriptor)


if __name__ == "__main__":
    main()
