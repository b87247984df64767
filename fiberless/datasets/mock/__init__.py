"""The simulated survey: (image, spectrum, truth) triples on physical grounds (see docs/decisions.md)."""

__all__: list[str] = []
