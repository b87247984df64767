"""Trains the cascade: two contrasts and two diffusion models in pixels, from shards as all models do."""

__all__: list[str] = []
