"""How the simulated survey compares with the real one: numbers, verdicts, plots (see docs/mock-survey.md)."""

__all__: list[str] = []
