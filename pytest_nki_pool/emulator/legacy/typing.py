"""`neuronxcc.nki.typing`: annotations of tensors."""

from __future__ import annotations

from types import GenericAlias


class tensor:  # noqa: N801  (NKI's name)
    """Annotation of a tensor; `tensor[128, 512]` names its shape."""

    def __class_getitem__(cls, shape: object) -> GenericAlias:
        return GenericAlias(cls, shape)


class mutable_tensor(tensor):  # noqa: N801
    """Annotation of a parameter that the kernel writes and returns."""


__all__ = ["mutable_tensor", "tensor"]
