"""`MeasuredSpectrum`: all that was found in one spectrum, observed or predicted."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fiberless.contract.properties import Classification, LineMeasurement, Measurement

__all__ = ["MeasuredSpectrum"]


class MeasuredSpectrum(BaseModel):
    """All that was found in one spectrum: what `fiberless measure` prints and `fiberless.measure` returns.

    What a prediction has too carries the name that it has in `Properties`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: str = Field(description="Name of the file, without its folder; `spectrum` of one in memory")
    kind: Literal["observed", "predicted"] = Field(description="Whether light was ever measured")
    redshift: Measurement
    redshift_issues: tuple[str, ...] = Field(
        default=(), description="Why the redshift that was found is not to be trusted; empty: it is"
    )
    snr: float | None = Field(default=None, description="Median signal-to-noise ratio per pixel of 69 km/s")
    notes: tuple[str, ...] = Field(default=(), description="What had to be assumed")
    quantities: dict[str, Measurement] = Field(default_factory=dict)
    bpt_class: Classification | None = Field(
        default=None, description="Ionisation class in the [N II] diagram; null if nothing is measured"
    )
    diagrams: dict[str, Classification] = Field(
        default_factory=dict, description="Ionisation classes by the other diagrams"
    )
    abundances: dict[str, Measurement] = Field(
        default_factory=dict, description="12 + lg(O/H) by calibrations of strong lines"
    )
    magnitudes: dict[str, Measurement] = Field(
        default_factory=dict, description="SDSS magnitudes of the spectrum, by band"
    )
    lines: dict[str, LineMeasurement] = Field(default_factory=dict)
    lick: dict[str, Measurement] = Field(
        default_factory=dict, description="Indices at the spectrum's own resolution"
    )
    lick_system: dict[str, Measurement] = Field(
        default_factory=dict, description="The same indices at the resolution of the Lick system"
    )
    stars: dict[str, Measurement] = Field(
        default_factory=dict, description="Kinematics and populations of the full-spectrum fit"
    )
