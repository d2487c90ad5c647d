"""`nl.NKIObject`."""

from __future__ import annotations


class NKIObject:
    """Base of classes whose instances a kernel may take as arguments.

    Args:
        **fields: attributes of an instance; a dataclass has its own.
    """

    def __init__(self, **fields: object) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
