"""Published figures to set beside ours: other samples, other truths; context, never a comparison."""

from typing import Final, NamedTuple

__all__ = ["PUBLISHED", "Published"]


class Published(NamedTuple):
    """A figure of another work."""

    quantity: str
    figure: str
    source: str


PUBLISHED: Final = (
    Published("AGN from images", "accuracy up to 82 %", "Doorenbos et al. 2024, ApJ 977, 131 (SDSS)"),
    Published("AGN from photometry", "accuracy 80–85 %", "Chen 2021"),
    Published("σ* from images", "29 km/s", "Hansen et al. 2020 (MaNGA, i band)"),
    Published("gas metallicity from images", "0.085 dex", "Wu & Boada 2019 (SDSS gri)"),
    Published(
        "photometric redshift",
        "σ_MAD 0.0091, bias 1e-4, outliers 0.31 %",
        "Pasquet et al. 2019, A&A 621, A26 (SDSS main sample)",
    ),
    Published("properties from images", "R² 0.47", "AstroCLIP, Parker et al. 2024"),
)
"""As those papers state them; their samples, truths and cuts differ from ours and from each other."""
