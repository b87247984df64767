"""The whole report: samples, comparisons, and the files that they are written to."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.datasets.mock_report.colours import SurveyColours, compare_colours
from fiberless.datasets.mock_report.gallery import GalleryEntry, draw_gallery, pick_alike
from fiberless.datasets.mock_report.photometry import (
    Photometry,
    as_in_table,
    draw_photometry,
    observed_photometry,
    read_photometry,
    with_catalogue_errors,
)
from fiberless.datasets.mock_report.pixels import PixelRow, compare_pixels
from fiberless.datasets.mock_report.plots import plot_distributions, plot_loci, plot_spectra
from fiberless.datasets.mock_report.real_images import RealImages, read_real_images
from fiberless.datasets.mock_report.spectra import (
    BreakDiagram,
    SpectraSummary,
    locus_of_mock,
    read_real_locus,
    summarise_spectra,
)
from fiberless.datasets.shards import ShardSet

__all__ = ["DEFAULT_GALAXIES", "MockReport", "MockSample", "report_survey", "sample_data_set", "sample_fresh"]

DEFAULT_GALAXIES: Final = 1000
"""Galaxies with image and spectrum that a report looks at."""
_COLOUR_DRAWS: Final = 100_000
_FAINTEST_SHOWN: Final = 18.7
_BLUE_RED_SPLIT: Final = 2.22
"""u−r between the two modes (Strateva et al. 2001, AJ 122, 1861)."""


@dataclass(frozen=True, eq=False)
class MockSample:
    """Simulated galaxies to report on: photometry of many, images and spectra of some.

    Parameters
    ----------
    description : where they come from
    photometry : noiseless totals
    columns : `image`, `ln_shape`, `flux` and `sigma`, (N, …)
    truth : truth columns by name, (N,)

    """

    description: str
    photometry: Photometry
    columns: dict[str, FloatArray]
    truth: dict[str, FloatArray]


@dataclass(frozen=True)
class MockReport:
    """What the report says, beside its plots."""

    description: str
    n_mock: int
    n_real: int
    colours: SurveyColours
    as_they_are: SurveyColours
    u_r_medians: tuple[tuple[float | None, float | None], tuple[float | None, float | None]]
    pixels: tuple[PixelRow, ...]
    spectra: SpectraSummary
    gallery_key: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; null for what could not be measured."""
        document: dict[str, Any] = _without_nan({**asdict(self), "passes": self.colours.passes})
        return document


def sample_fresh(*, seed: int, n: int = DEFAULT_GALAXIES) -> MockSample:
    """Simulate n galaxies for images and spectra, and draw 100,000 for photometry."""
    columns = simulate(seed, n)
    truth = dict(zip(TRUTH_NAMES, columns.pop("truth").T.astype(float), strict=True))
    photometry = draw_photometry(seed, _COLOUR_DRAWS)
    description = f"{n} galaxies simulated with seed {seed}; colours of {_COLOUR_DRAWS} draws"
    return MockSample(description, photometry, columns, truth)


def sample_data_set(folder: Path, *, n: int = DEFAULT_GALAXIES) -> MockSample:
    """Photometry of a whole data set on disk, images and spectra of its first n galaxies."""
    shards = ShardSet(folder)
    columns = {name: shards.column(name, limit=n) for name in ("image", "ln_shape", "flux", "sigma")}
    truth = {name: shards.truth(name, limit=n) for name in shards.info.truth_names}
    description = f"the data set {folder.name}: {len(shards)} galaxies, seed {shards.info.seed}"
    return MockSample(description, observed_photometry(shards), columns, truth)


def report_survey(sample: MockSample, real_folder: Path, out: Path, *, seed: int = 0) -> MockReport:
    """Compare, and write `colours.png`, `loci.png`, `spectra.png`, `gallery.png`, `report.json`.

    Parameters
    ----------
    sample : simulated galaxies
    real_folder : with `tables/sdss_ugriz_z.fits`, `frames/`, `stamps/`, `stars/`, `spectra/`
    out : folder for the files, made if missing
    seed : of the photometric errors and of the gallery's order

    Raises
    ------
    UsageError
        `invalid-parameter` if the real table is missing or the data set has no totals in five bands.

    """
    out.mkdir(parents=True, exist_ok=True)
    real = read_photometry(real_folder / "tables" / "sdss_ugriz_z.fits").main_sample()
    observed = with_catalogue_errors(seed, sample.photometry)
    mock = as_in_table(observed).main_sample()
    images = read_real_images(real_folder, faintest_r=_FAINTEST_SHOWN)
    mock_locus = locus_of_mock(sample.columns, sample.truth["redshift"])
    real_locus = read_real_locus(real_folder / "spectra")
    report = MockReport(
        description=sample.description,
        n_mock=len(mock),
        n_real=len(real),
        colours=compare_colours(mock, real),
        as_they_are=compare_colours(observed.main_sample(), real),
        u_r_medians=(_u_r_medians(mock), _u_r_medians(real)),
        pixels=compare_pixels(sample.columns["image"].astype(np.float32), images, real_folder, seed=seed),
        spectra=summarise_spectra(mock_locus, real_locus, sample.truth),
        gallery_key=tuple(_gallery(sample, images, out / "gallery.png", seed=seed)),
    )
    _plot(mock, real, (mock_locus, real_locus), out)
    (out / "report.json").write_text(json.dumps(report.as_dict(), indent=1, allow_nan=False) + "\n")
    return report


def _plot(mock: Photometry, real: Photometry, loci: tuple[BreakDiagram, BreakDiagram], out: Path) -> None:
    plot_distributions(mock, real, out / "colours.png")
    plot_loci(mock, real, out / "loci.png")
    plot_spectra(*loci, out / "spectra.png")


def _gallery(sample: MockSample, real: RealImages, path: Path, *, seed: int) -> list[str]:
    """Real galaxies and as many simulated ones that are like them in brightness and colour."""
    if not len(real.galaxies):
        return []
    mock = sample.columns["image"].astype(np.float32)
    chosen = [
        *(GalleryEntry(f"mock {row}", mock[row]) for row in pick_alike(mock, real.galaxies)),
        *(
            GalleryEntry(f"real {name}", image)
            for name, image in zip(real.galaxy_names, real.galaxies, strict=True)
        ),
    ]
    return draw_gallery(chosen, path, seed=seed)


def _u_r_medians(sample: Photometry) -> tuple[float | None, float | None]:
    """Median u−r of the galaxies on either side of 2.22 mag, None where there are none."""
    u_r = sample.magnitudes[:, 0] - sample.magnitudes[:, 2]
    blue, red = (float(np.median(side)) if side.size else None for side in _split(u_r, _BLUE_RED_SPLIT))
    return blue, red


def _split(values: FloatArray, at: float) -> tuple[FloatArray, FloatArray]:
    return values[values < at], values[values >= at]


def _without_nan(value: Any) -> Any:
    """The same nested lists and objects with null for what is not a number."""
    match value:
        case dict():
            return {key: _without_nan(part) for key, part in value.items()}
        case list() | tuple():
            return [_without_nan(part) for part in value]
        case float() if not np.isfinite(value):
            return None
    return value
