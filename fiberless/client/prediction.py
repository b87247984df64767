"""`Prediction`: the contract's document, and what astronomers' libraries make of it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from fiberless import contract
from fiberless.arrays import FloatArray

if TYPE_CHECKING:
    from astropy.table import QTable
    from specutils import Spectrum  # type: ignore[import-untyped]  # it has none

__all__ = ["Prediction"]


class Prediction(contract.Prediction):
    """A predicted spectrum and what was measured on its candidates. Never an observation.

    The same class whether a service predicted it or a model in this process.

    Examples
    --------
    >>> import fiberless
    >>> prediction = fiberless.load_model().predict("examples/galaxy.fits", n_candidates=4)
    >>> prediction.to_table().colnames[:3]
    ['wavelength', 'flux', 'uncertainty']
    >>> fiberless.Prediction.model_validate_json(prediction.model_dump_json(by_alias=True)) == prediction
    True

    """

    links: contract.PredictionLinks | None = Field(
        default=None,
        exclude_if=lambda links: links is None,
        description="Of the service that answered; none where a model in this process predicted",
    )

    def to_spectrum(self) -> "Spectrum":
        """Shown spectrum for specutils, which must be installed: observed frame, vacuum, σ, mask.

        Flux has the unit of the document, 1e-17 erg/(s cm2 Å); masked pixels are NaN. `meta` says what the
        spectrum is of, that it is predicted, and by which model.
        """
        from astropy import units as u  # noqa: PLC0415  # as slow to load as the rest of the client together
        from astropy.nddata import StdDevUncertainty  # noqa: PLC0415
        from specutils import Spectrum  # noqa: PLC0415

        shown = self.spectrum
        unit = u.Unit(shown.flux.unit)
        return Spectrum(
            flux=_array(shown.flux.values) * unit,
            spectral_axis=_array(shown.wavelength.values) * u.Unit(shown.wavelength.unit),
            uncertainty=StdDevUncertainty(_array(shown.uncertainty.values), unit=unit),
            mask=np.array(shown.mask, dtype=bool),
            meta=self._described(),
        )

    def to_table(self) -> "QTable":
        """Shown spectrum as an astropy table with units.

        Columns `wavelength`, `flux`, `uncertainty`, `mask`, `flux_p16`, `flux_p50`, `flux_p84`, one row a
        pixel; `meta` as that of `to_spectrum`.
        """
        from astropy import units as u  # noqa: PLC0415  # as above
        from astropy.table import QTable  # noqa: PLC0415

        shown = self.spectrum
        unit = u.Unit(shown.flux.unit)
        columns = {
            "wavelength": _array(shown.wavelength.values) * u.Unit(shown.wavelength.unit),
            "flux": _array(shown.flux.values) * unit,
            "uncertainty": _array(shown.uncertainty.values) * unit,
            "mask": np.array(shown.mask, dtype=bool),
        }
        for level, values in zip(shown.quantiles.levels, shown.quantiles.values, strict=True):
            columns[f"flux_p{round(100 * level)}"] = _array(values) * unit
        return QTable(columns, meta=self._described())

    def _described(self) -> dict[str, Any]:
        model = self.provenance.model
        return {
            "kind": self.kind,
            "predicted": True,
            "prediction_id": self.id,
            "object_id": self.object.object_id,
            "ra": self.object.ra,
            "dec": self.object.dec,
            "redshift": self.spectrum.redshift,
            "medium": self.spectrum.medium,
            "frame": self.spectrum.frame,
            "model": f"{model.name} {model.version}",
            "warnings": [warning.code for warning in self.warnings],
        }


def _array(values: list[float | None]) -> FloatArray:
    """Values with NaN for null."""
    return np.array(values, dtype=np.float64)
