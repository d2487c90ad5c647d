"""Small files that processes of every user of a host lock and rewrite."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.neuron.errors import CoresBusyError, NeuronError

try:
    # The native lock on a descriptor of our own: a `FileLock` would unlock on release what a child still uses.
    from filelock import lock_descriptor, unlock_descriptor
except ImportError as missing:
    raise NeuronError("leasing NeuronCores needs filelock 3.30; pip install 'pytest-nki-pool[device]'") from missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Seconds that choosing cores may take the others at most; only a stopped process holds the folder longer.
PATIENCE = 10.0

_POLL = 0.02
_EVERYBODY = 0o666
_STICKY_FOR_EVERYBODY = 0o1777


def prepare_folder(folder: Path) -> None:
    """Make the folder of locks, for every user of the host.

    Raises:
        NeuronError: it cannot be made, is a link, or cannot be written.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            folder.chmod(_STICKY_FOR_EVERYBODY)
        usable = stat.S_ISDIR(folder.lstat().st_mode) and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise NeuronError(f"the lock folder {folder} cannot be made: {error.strerror}; choose another") from error
    if not usable:
        raise NeuronError(f"{folder} is no folder that this user may write; remove it or choose another lock folder")


def open_shared(path: Path) -> int:
    """Open a file for reading and writing, made for every user when it is new.

    Raises:
        NeuronError: it is a link, or belongs to a user who keeps it to himself.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        try:
            # Without O_CREAT first: with fs.protected_regular the kernel refuses it for another user's file here.
            return os.open(path, flags)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _EVERYBODY)
                os.fchmod(descriptor, _EVERYBODY)  # whatever the umask
                return descriptor
            return os.open(path, flags)
    except OSError as error:
        raise NeuronError(f"{path} cannot be opened: {error.strerror}; remove it or choose another folder") from error


def try_lock(path: Path) -> int | None:
    """Lock a file and return its descriptor; None when another process has it.

    The lock belongs to the open file, not to the process: whoever inherits the descriptor holds it too, and the kernel
    frees it when the last copy of the descriptor is closed, however its process ends.
    """
    descriptor = open_shared(path)
    try:
        locked = lock_descriptor(descriptor, blocking=False) and is_at(descriptor, path)
    except OSError as error:
        os.close(descriptor)
        raise NeuronError(f"{path} cannot be locked: {error.strerror}; choose a folder on a local disk") from error
    if locked:
        return descriptor
    os.close(descriptor)
    return None


def unlock(descriptor: int) -> None:
    """Give back a lock that no child was meant to inherit.

    Closing would not be enough: a process that another thread forks at this moment has a copy of the descriptor.
    """
    unlock_descriptor(descriptor)
    os.close(descriptor)


def holds(descriptor: int, path: Path) -> bool:
    """Whether an inherited descriptor is the lock at this path, taken now if nobody has it any more."""
    return is_at(descriptor, path) and bool(lock_descriptor(descriptor, blocking=False))


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at this path, not one that was removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def exclusive(folder: Path, patience: float = PATIENCE) -> contextlib.AbstractContextManager[None]:
    """Be the only process that chooses cores, so that nobody sees another one's half-finished choice.

    Raises:
        CoresBusyError: another process did not let go within `patience` seconds.
    """
    return held(folder / "choosing.lock", patience, "; is a test run stopped?")


@contextlib.contextmanager
def held(path: Path, patience: float, remark: str) -> Iterator[None]:
    """Hold a lock that every process of the host takes in turn.

    Args:
        path: the lock, in a folder of locks.
        patience: seconds to wait for it.
        remark: what the error says after that it is held.

    Raises:
        CoresBusyError: another process did not let go within `patience` seconds.
    """
    prepare_folder(path.parent)
    end = time.monotonic() + patience
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > end:
            raise CoresBusyError(f"{path} is held for more than {patience:g} s{remark}")
        time.sleep(_POLL)
    try:
        yield
    finally:
        unlock(descriptor)


def write_record(descriptor: int, record: Mapping[str, Any]) -> None:
    """Replace the content of an open file; a reader finds a whole record even if this process dies halfway.

    Raises:
        NeuronError: it cannot be written, for example on a full disk.
    """
    data = json.dumps(record).encode()
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    except OSError as error:
        raise NeuronError(
            f"the lock folder cannot be written: {error.strerror}; make room or choose another"
        ) from error


def read_record(path: Path) -> dict[str, Any] | None:
    """The record in a file; None when there is none."""
    try:
        record, _ = json.JSONDecoder().raw_decode(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def timestamp(seconds: float) -> str:
    """A moment in UTC for a person, from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
