"""The Virtual Observatory's words: parameters and documents of its protocols; no galaxies of its own."""
