"""What must not leave the machine in a report: paths outside the project, host and user names, instance ids."""

from __future__ import annotations

import getpass
import re
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: A path that starts at a root, at home or above the project; not the slash of a fraction, a URL or an identity.
_PATH = re.compile(r"(?<![\w./\\…])(?:/(?!/)|~/|\.\.[\\/]|[A-Za-z]:[\\/](?!/))[^\s'\"`<>|,;:()\[\]{}=]+")
#: Of EC2: "i-" and 8 or 17 hexadecimal digits, and the host names that it gives to addresses.
#: Source: Amazon EC2 user guide, "Resource IDs" and "Instance hostname types".
_INSTANCE = re.compile(
    r"\bi-(?:[0-9a-f]{17}|[0-9a-f]{8})\b|\bip-\d+-\d+-\d+-\d+(?:\.[\w.-]+\.(?:internal|amazonaws\.com))?"
)
#: Names that tell nothing, and stand in messages as words of their own.
_COMMON = frozenset({"root", "localhost"})


@dataclass(frozen=True)
class Scrubber:
    """Takes out of texts what must not leave the machine.

    Attributes:
        project: folder whose paths may be told, relative to it.
        names: host and user names.
    """

    project: str
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, project: str) -> Scrubber:
        """The scrubber of this machine."""
        host = socket.gethostname()
        return cls(project, tuple(dict.fromkeys((host, host.partition(".")[0], *_user()))))

    def text(self, text: str) -> str:
        """A text without what must not leave the machine."""
        for prefix in self._prefixes:
            text = text.replace(prefix, "")
        text = text.replace(self._home, "~")
        text = _PATH.sub(_shortened, text)
        text = _INSTANCE.sub("<instance>", text)
        return self._names.sub("<name>", text) if self._names else text

    def every(self, value: T) -> T:
        """The same value, every text in it without what must not leave the machine; keys of mappings stay."""
        return self._every(value)  # type: ignore[no-any-return]

    def _every(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self._every(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._every(part) for part in value]
        return value

    @cached_property
    def _prefixes(self) -> tuple[str, ...]:
        """The project's folder as texts may write it."""
        folders = {self.project, str(Path(self.project).resolve())}
        return tuple(folder.rstrip("/\\") + mark for folder in folders if len(folder) > 1 for mark in ("/", "\\"))

    @cached_property
    def _home(self) -> str:
        """The home folder, with which a path may begin whatever stands before it."""
        home = str(Path.home())
        return home if len(home) > 1 else "~"

    @cached_property
    def _names(self) -> re.Pattern[str] | None:
        telling = [re.escape(name) for name in self.names if len(name) > 2 and name.lower() not in _COMMON]
        return re.compile(rf"(?<!\w)(?:{'|'.join(telling)})(?!\w)") if telling else None


def _shortened(match: re.Match[str]) -> str:
    """The name of a file behind a mark that more stood before it; folders have names that tell."""
    last = re.split(r"[/\\]", match[0])[-1]
    return f"…/{last}" if "." in last.strip(".") else "…"


def _user() -> tuple[str, ...]:
    try:
        return (getpass.getuser(),)
    except (OSError, KeyError, ImportError):  # a container may run as a number without a name
        return ()
