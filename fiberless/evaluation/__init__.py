"""Metrics of predictions against truth, baselines beside them, and the report."""

__all__: list[str] = []
