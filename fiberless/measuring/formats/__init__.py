"""Layouts of spectrum files: what stands in a file, found by name, unit and card, in our units.

Each reader uses what it finds, names it in a note, or refuses it with what was found and what is known.
"""

__all__: list[str] = []
