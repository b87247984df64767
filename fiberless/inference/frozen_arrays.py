"""`FrozenArrays`: a frozen set of named arrays that goes into and comes out of a safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["FrozenArrays"]


@dataclass(frozen=True, eq=False)
class FrozenArrays:
    """Parent of dataclasses whose fields are all arrays; the arrays are made read-only."""

    def __post_init__(self) -> None:
        for item in fields(self):
            array = np.array(getattr(self, item.name), order="C")
            array.setflags(write=False)
            object.__setattr__(self, item.name, array)

    def to_arrays(self, prefix: str = "") -> dict[str, FloatArray]:
        """All fields by name, each name after a prefix."""
        return {prefix + item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray], prefix: str = "") -> Self:
        """Build from `to_arrays`; KeyError names the array that is missing."""
        return cls(**{item.name: arrays[prefix + item.name] for item in fields(cls)})
