"""Loads the arrays of one failure: ``python load_arrays.py``, or ``from load_arrays import load`` next to it."""

import json
import pathlib

import ml_dtypes  # noqa: F401 - gives NumPy the names of bfloat16 and float8
import numpy as np


def load(folder: pathlib.Path = pathlib.Path(__file__).parent) -> "dict[str, np.ndarray]":
    """Name -> array, bit for bit as the kernel got and gave it."""
    entries = json.loads((folder / "arrays.json").read_text())
    return {e["name"]: np.fromfile(folder / e["file"], np.dtype(e["dtype"])).reshape(e["shape"]) for e in entries}


if __name__ == "__main__":
    for name, array in load().items():
        print(name, array.dtype, array.shape, array, sep="\n")
