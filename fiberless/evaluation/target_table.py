"""`TargetTable`: values of the quantities that are scored, of galaxies or of their candidates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.evaluation.targets import CLASS, TARGETS

__all__ = ["TargetTable"]


@dataclass(frozen=True, eq=False)
class TargetTable:
    """Some of `TARGETS`, and the ionisation class, of n galaxies or of K candidates of each.

    Parameters
    ----------
    columns : by name of the target, (n,) or (n, K); NaN where it is not measurable or not known
    classes : (n,) or (n, K) `BptClass`, NaN where there is none

    Raises
    ------
    KeyError
        If a column is none of `TARGETS`.

    """

    columns: Mapping[str, FloatArray]
    classes: FloatArray

    def __post_init__(self) -> None:
        unknown = set(self.columns) - set(TARGETS)
        if unknown:
            raise KeyError(f"no targets: {sorted(unknown)}")

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Targets that the table has."""
        return tuple(self.columns)

    def only(self, names: Iterable[str]) -> Self:
        """Some of the targets, in another order perhaps."""
        return type(self)({name: self.columns[name] for name in names}, self.classes)

    def also(self, columns: Mapping[str, FloatArray]) -> Self:
        """The same with further targets, or with others' values."""
        return type(self)({**self.columns, **columns}, self.classes)

    def rows(self, chosen: slice | IntArray) -> Self:
        """Some of the galaxies; of (n, M) rows a table of M samples for each of n others."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return type(self)(columns, self.classes[chosen])

    def reshape(self, *shape: int) -> Self:
        """Every column in another shape."""
        columns = {name: values.reshape(shape) for name, values in self.columns.items()}
        return type(self)(columns, self.classes.reshape(shape))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Tables of the same targets one below another."""
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].names}
        return cls(columns, np.concatenate([part.classes for part in parts]))

    def to_arrays(self) -> Mapping[str, FloatArray]:
        """Columns as a file has them, the class among them."""
        return {**self.columns, CLASS: self.classes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Self:
        """Invert `to_arrays`; what `targets.measure_targets` gives is read alike."""
        return cls({name: values for name, values in arrays.items() if name != CLASS}, arrays[CLASS])
