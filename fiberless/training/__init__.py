"""Trains model versions: prepares data, trains the contrast, then the denoiser, and writes the version."""

__all__: list[str] = []
