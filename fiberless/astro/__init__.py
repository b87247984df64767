"""Constants and tables of lines, dust, distances and stars, each defined once."""

__all__: list[str] = []
