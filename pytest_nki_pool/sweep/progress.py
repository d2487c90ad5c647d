"""How far a sweep is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_nki_pool.verdict import Status

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator

#: Seconds between two lines.
_PAUSE = 10.0


@contextmanager
def progress(total: int) -> Iterator[Callable[[Counter[str]], None]]:
    """A function that shows, on stderr, how many verdicts of each status there are: a bar where Rich can draw one.

    Args:
        total: how many there will be.
    """
    if sys.stderr.isatty() and find_spec("rich"):
        with _bar(total) as show:
            yield show
    else:
        yield _lines(total)


def summary(counts: Counter[str]) -> str:
    """Statuses and how many of each, in their order."""
    return ", ".join(f"{counts[status.value]} {status.value}" for status in Status if counts[status.value])


def tell(notes: Iterable[str]) -> None:
    """Say, on stderr, what is no verdict."""
    for note in notes:
        print(f"nki-pool: {note}", file=sys.stderr, flush=True)  # noqa: T201 - its purpose


def _lines(total: int) -> Callable[[Counter[str]], None]:
    shown = time.monotonic()

    def show(counts: Counter[str]) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _PAUSE:
            shown = time.monotonic()
            print(f"{sum(counts.values())} of {total}: {summary(counts)}", file=sys.stderr, flush=True)  # noqa: T201

    return show


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Counter[str]], None]]:
    from rich.console import Console  # noqa: PLC0415 - Rich is an extra
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=total)

        def show(counts: Counter[str]) -> None:
            bars.update(task, completed=sum(counts.values()), description=summary(counts))

        yield show
