"""Images of galaxies: `Cutout`, its aperture photometry, and FITS bytes read into it."""

__all__: list[str] = []
