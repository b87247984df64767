"""How true the simulated survey is on the sky: real galaxies against mocks (see docs/sky.md)."""

__all__: list[str] = []
