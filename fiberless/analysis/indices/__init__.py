"""Absorption indices and breaks: bands, values, errors, corrections to the Lick/IDS system."""

__all__: list[str] = []
