"""The names of `nki.typing`."""

from __future__ import annotations


class tensor:  # noqa: N801
    """Annotation of a tensor: `tensor` or `tensor[d0, d1, …]`."""

    __slots__ = ()

    def __class_getitem__(cls, shape: object) -> type[tensor]:
        return cls


__all__ = ["tensor"]
