"""Training data: the simulated survey, and the shard format that it shares with real pairs. Never torch."""

__all__: list[str] = []
