"""Redshifts of spectra: templates, the search for one, refinement of many, and noise estimates."""

__all__: list[str] = []
