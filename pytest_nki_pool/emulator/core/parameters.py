"""Array parameters of a kernel and what a launch hands back: the output discipline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern
from pytest_nki_pool.emulator.core.dtypes import FLOAT32
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import Buffer, Storage, check_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.launch import Call, Launch


class Parameters:
    """The array parameters of one launch.

    Args:
        launch: the launch.
        call: what is launched.
    """

    __slots__ = ("_call", "_dialect", "_launch", "_mutable", "_names", "_tensors")

    def __init__(self, launch: Launch, call: Call) -> None:
        self._launch = launch
        self._call = call
        self._dialect = call.dialect
        self._mutable = call.dialect.mutable_parameters(call.function)
        self._names: set[str] = set()
        self._tensors: list[tuple[Storage, Array]] = []

    def wrap(self, name: str, value: Any) -> Any:
        """Make an HBM tensor of an array, also inside tuples, lists and dicts; anything else passes unchanged.

        Raises:
            NKIError: a shape or dtype that the generation does not have, or an output that shares an input's memory.
        """
        self._names.add(name)
        if not isinstance(value, np.ndarray):
            return self._wrap_parts(name, value)
        what = f"parameter `{name}`"
        dtype = self._launch.check_dtype(value.dtype, what)
        shape = check_shape(value.shape, Buffer.HBM, self._launch.generation.partitions, what)
        array = np.ascontiguousarray(value, FLOAT32 if dtype in self._launch.widened else None)
        role = self._role(name)
        storage = Storage(self._launch, shape, dtype, Buffer.HBM, name=name, array=array, parameter=role)
        storage.defined = role != "output"
        storage.read_only = not value.flags.writeable
        self._tensors.append((storage, value))
        return self._dialect.wrap(AccessPattern.whole(storage))

    def _wrap_parts(self, name: str, value: Any) -> Any:
        if type(value) in (tuple, list):
            return type(value)(self.wrap(f"{name}[{i}]", item) for i, item in enumerate(value))
        if type(value) is dict:
            return {key: self.wrap(f"{name}[{key!r}]", item) for key, item in value.items()}
        return value

    def _role(self, name: str) -> str:
        outputs = self._call.outputs
        if outputs is not None and name in outputs:
            return "output"
        if not self._dialect.immutable_inputs or name in self._mutable:
            return "mutable"
        return "either" if outputs is None else "input"

    def check_names(self) -> None:
        """Check that the named outputs are arguments, with memory of their own.

        Raises:
            NKIError: they are not.
        """
        missing = sorted((self._call.outputs or frozenset()) - self._names)
        if missing:
            raise NKIError(f"outputs names {', '.join(missing)}, which is no argument of this launch", "", "")
        for output, array in self._tensors:
            if output.parameter != "output":
                continue
            for other, other_array in self._tensors:
                if other is not output and np.may_share_memory(array, other_array):
                    raise NKIError(
                        f"parameters `{output.name}` and `{other.name}` share memory; input and output are distinct "
                        "tensors",
                        "err_read_modify_write_on_kernel_parameter",
                        self._call.where(),
                    )

    def finish(self, returned: Any) -> Any:
        """Check what the kernel has written and returned, and hand it over.

        Args:
            returned: what the kernel returned.

        Returns:
            None, an array or a tuple of arrays; parameters are written in place.

        Raises:
            NKIError: the kernel breaks the output discipline.
        """
        several = list(returned) if isinstance(returned, (tuple, list)) else [] if returned is None else [returned]
        accesses = [self._access(item) for item in several]
        written = [(storage, array) for storage, array in self._tensors if storage.written]
        self._check_discipline([storage for storage, _ in written], [access.storage for access in accesses])
        for storage, _ in self._tensors:
            if storage.parameter == "output" or storage.written:
                self._check_defined(AccessPattern.whole(storage))
        results: list[Array] = []
        for access in accesses:
            results.append(self._result(access, results))
        for storage, array in written:
            if not np.may_share_memory(storage.array, array):
                np.copyto(array, storage.array, casting="unsafe")
        if returned is None:
            return None
        return tuple(results) if isinstance(returned, (tuple, list)) else results[0]

    def _access(self, item: Any) -> AccessPattern:
        access = self._dialect.unwrap(item)
        where = self._call.where()
        if access is None:
            raise NKIError(f"a kernel returns tensors, got {type(item).__name__}", "", where)
        storage = access.storage
        allowed = self._dialect.output_buffers
        if storage.parameter in ("input", "either") or storage.launch is not self._launch:
            raise NKIError(
                f"returned {storage.describe()} was not created by this launch; "
                f"create the output inside the kernel with buffer {_listed(allowed)}",
                "",
                where,
            )
        if storage.parameter is None and storage.buffer not in allowed:
            raise NKIError(
                f"returned {storage.describe()} does not live in {_listed(allowed)}; store it to a tensor that does, "
                "and return that",
                "",
                where,
            )
        return access

    def _check_discipline(self, written: list[Storage], returned: list[Storage]) -> None:
        if not returned and not written:
            raise NKIError(
                "the kernel returned nothing and wrote to none of its parameters; return its output tensor or store "
                "to it",
                "err_tensor_output_not_written_to",
                self._call.where(),
            )
        if not self._dialect.immutable_inputs:
            return
        self._check_shared(returned)
        for storage in written:
            if returned and storage.parameter == "either":
                raise NKIError(
                    f"parameter {storage.describe()} is immutable in a kernel that returns its output, and was written",
                    "err_cannot_update_immutable_parameter",
                    storage.where,
                )
            if storage.parameter == "mutable" and storage not in returned:
                raise NKIError(
                    f"parameter {storage.describe()} was written and is not returned; return it",
                    "err_mutable_parameter_not_returned",
                    self._call.where(),
                )

    def _check_shared(self, returned: list[Storage]) -> None:
        """Check that what was made in shared HBM is returned: it is the kernel's output ("NKI error manual")."""
        for storage in self._launch.shared:
            if storage not in returned:
                raise NKIError(
                    f"{storage.describe()} is an output, for it lives in shared_hbm, and is not returned; return it, "
                    "or make scratch memory with buffer private_hbm",
                    "err_tensor_output_not_written_to",
                    storage.where,
                )

    def _check_defined(self, access: AccessPattern) -> None:
        defined = access.defined()
        if defined is True:
            return
        storage = access.storage
        if isinstance(defined, bool):
            seen = "was never written"
        else:
            first = [int(i) for i in np.argwhere(~defined)[0]]
            seen = f"was written in part: {int(defined.size - np.count_nonzero(defined))} of {defined.size} elements "
            seen += f"are missing, first at {first}"
        where = storage.where or self._call.where()
        raise NKIError(
            f"output {storage.describe()} {seen}; write all of it", "err_tensor_output_not_written_to", where
        )

    def _result(self, access: AccessPattern, earlier: list[Array]) -> Array:
        self._check_defined(access)
        view = access.view()
        if view.dtype != access.storage.dtype:
            return view.astype(access.storage.dtype)
        own = access.storage.parameter is None and view is access.storage.array
        return view if own and not any(view is result for result in earlier) else view.copy()


def _listed(buffers: Iterable[Buffer]) -> str:
    return ", ".join(sorted(map(str, buffers)))
