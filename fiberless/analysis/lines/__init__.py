"""Emission lines: their continuum, templates, fits, residuals and what is reported of them."""

__all__: list[str] = []
