"""Constants and tables of lines, dust, distances and stars, each defined once. Imports no other room."""

__all__: list[str] = []
