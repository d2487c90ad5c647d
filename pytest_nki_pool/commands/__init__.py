"""What the commands of ``nki-pool`` share; each module here holds the functions of one or a few commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CliError(Exception):
    """What was asked of a command cannot be had; the message says what was seen, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say.

    Attributes:
        text: for a person.
        data: the same for a program: whatever JSON can carry.
        exit_code: of the process.
    """

    text: str
    data: Any
    exit_code: int = 0
