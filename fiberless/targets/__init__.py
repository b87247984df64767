"""What astronomers call a target: columns of tables, units, frames, identifiers, a line typed by hand."""

__all__: list[str] = []
