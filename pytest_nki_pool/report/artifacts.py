"""The arrays of a failure: raw bits plus the name of the dtype, because NumPy's own format loses bf16 and fp8."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from pytest_nki_pool.report.model import Record

_SCRIPT = "load_arrays.py"
#: Of a folder's name, of which file systems take 255 bytes.
_LONGEST_NAME = 180


def keep(folder: Path, record: Record, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write the arrays and the verdict of a failure, and a script that loads them.

    Args:
        folder: where each failure gets a folder of its own.
        record: the failure, without anything that must not leave the machine.
        arrays: name -> array.

    Returns:
        The failure's folder.

    Raises:
        OSError: it cannot be written.
    """
    own = folder / folder_name(str(record.verdict.identity))
    own.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, array in arrays.items():
        (own / f"{name}.bin").write_bytes(array.tobytes())
        entries.append({"name": name, "file": f"{name}.bin", "dtype": array.dtype.name, "shape": list(array.shape)})
    (own / "arrays.json").write_text(json.dumps(entries, indent=1))
    (own / "verdict.json").write_text(json.dumps(record.to_json(), indent=1))
    (own / _SCRIPT).write_text(resources.files(__package__).joinpath(_SCRIPT).read_text())
    return own


def folder_name(identity: str) -> str:
    """The name of a failure's folder: the identity in characters that every file system takes."""
    name = re.sub(r"[^A-Za-z0-9_.+-]", "-", identity)
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
