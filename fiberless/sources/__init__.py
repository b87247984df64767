"""From a position or a name to a `Cutout`: folders, survey archives, HiPS services."""

__all__: list[str] = []
