"""From FITS bytes to a `Cutout` in one pass: size limits first, then headers, planes, units and position."""

__all__: list[str] = []
