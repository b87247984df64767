"""`FrozenArrays`: a frozen set of named arrays that goes into and comes out of a safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["FrozenArrays"]


@dataclass(frozen=True, eq=False)
class FrozenArrays:
    """Parent of dataclasses whose fields are arrays, or others of the kind; the arrays are made read-only."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, FrozenArrays):
                continue
            array = np.array(value, order="C")
            array.setflags(write=False)
            object.__setattr__(self, item.name, array)

    def to_arrays(self, prefix: str = "") -> dict[str, FloatArray]:
        """All arrays by name, each name after a prefix; those of a member follow its name and a dot."""
        arrays: dict[str, FloatArray] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            is_nested = isinstance(value, FrozenArrays)
            arrays |= value.to_arrays(f"{prefix}{item.name}.") if is_nested else {prefix + item.name: value}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], prefix: str = "") -> Self:
        """Build from `to_arrays`; KeyError names the array that is missing."""
        return cls(**{item.name: _read(arrays, prefix + item.name, item.type) for item in fields(cls)})


def _read(arrays: Mapping[str, FloatArray], name: str, kind: object) -> "FloatArray | FrozenArrays":
    if isinstance(kind, type) and issubclass(kind, FrozenArrays):
        return kind.from_arrays(arrays, f"{name}.")
    return arrays[name]
