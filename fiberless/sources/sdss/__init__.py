"""What is known of the Sloan survey: names, fields, frames, spectrum files, the archive's layout."""

__all__: list[str] = []
