"""`Measurement`, `Classification` and `Properties`: what a spectrum yields, never a bare number."""

from enum import StrEnum
from typing import Any, Final, Self, cast

from pydantic import BaseModel, Field

from fiberless.contract.frozen import Frozen

__all__ = [
    "FLUX_UNIT",
    "INTERVAL_LEVEL",
    "Classification",
    "Flag",
    "LineMeasurement",
    "Measurement",
    "Properties",
]

INTERVAL_LEVEL: Final = 0.68
"""Probability inside every interval that does not say otherwise."""
FLUX_UNIT: Final = "1e-17 erg / (Angstrom s cm2)"
"""Unit of every spectrum, the survey's own, in FITS notation."""


class Flag(StrEnum):
    """Why a value is or is not to be trusted."""

    OK = "ok"
    OUT_OF_BAND = "out_of_band"
    NOT_DETECTED = "not_detected"
    LOW_CONFIDENCE = "low_confidence"
    OUTSIDE_TRAINING_RANGE = "outside_training_range"


class Measurement(Frozen):
    """A physical quantity with its interval.

    Examples
    --------
    >>> import fiberless
    >>> redshift = fiberless.Measurement(value=0.095, lower=0.083, upper=0.107, unit="", method="example")
    >>> redshift.level, redshift.flag.value
    (0.68, 'ok')

    """

    value: float | None = Field(description="Posterior median; null if it cannot be measured")
    lower: float | None = Field(description="Lower end of the central interval")
    upper: float | None = Field(description="Upper end of the central interval")
    level: float = Field(default=INTERVAL_LEVEL, gt=0, lt=1, description="Probability inside the interval")
    unit: str = Field(description="Unit in FITS notation; empty if dimensionless")
    flag: Flag = Flag.OK
    method: str = Field(description="How the value was obtained")


class Classification(Frozen):
    """A class with the probability of each possible one."""

    value: str | None = Field(description="The most probable class; null if it cannot be told")
    probabilities: dict[str, float] = Field(description="Share of the candidates in each class")
    flag: Flag = Flag.OK
    method: str


class LineMeasurement(Frozen):
    """One emission line. Emission is positive."""

    flux: Measurement
    ew: Measurement = Field(description="Rest-frame equivalent width of the emission")


class Properties(Frozen):
    """All that is measured for one galaxy. Null: the model does not give it."""

    redshift: Measurement
    dn4000: Measurement
    velocity_dispersion: Measurement | None = None
    stellar_age: Measurement | None = Field(default=None, description="Light-weighted, in the fibre")
    stellar_metallicity: Measurement | None = Field(default=None, description="Light-weighted, in the fibre")
    stellar_age_mass: Measurement | None = Field(default=None, description="Mass-weighted, in the fibre")
    stellar_metallicity_mass: Measurement | None = Field(
        default=None, description="Mass-weighted, in the fibre"
    )
    log_ml_living_r: Measurement | None = Field(
        default=None, description="lg living mass over SDSS r light before dust, in the fibre"
    )
    log_ml_formed_r: Measurement | None = Field(
        default=None, description="lg mass formed over SDSS r light before dust, in the fibre"
    )
    ebv_stars: Measurement | None = Field(default=None, description="Reddening of the fibre's starlight")
    log_stellar_mass: Measurement | None = Field(default=None, description="lg living mass, whole galaxy")
    log_sfr: Measurement | None = Field(default=None, description="lg star-formation rate, whole galaxy")
    gas_metallicity: Measurement | None = None
    agn_probability: Measurement
    bpt_class: Classification
    d4000: Measurement | None = Field(default=None, description="Wide 4000 A break")
    gas_sigma: Measurement | None = Field(
        default=None, description="Width of the lines, instrument taken out"
    )
    balmer_decrement: Measurement | None = Field(default=None, description="Halpha / Hbeta, in the fibre")
    ebv_gas: Measurement | None = Field(default=None, description="Reddening of the fibre's gas")
    log_sfr_halpha: Measurement | None = Field(
        default=None, description="lg star-formation rate inside the fibre, from Halpha"
    )
    log_ssfr: Measurement | None = Field(
        default=None, description="lg star-formation rate over stellar mass, whole galaxy"
    )
    abundances: dict[str, Measurement] = Field(
        default_factory=dict, description="12 + lg(O/H) of the fibre's gas by calibrations of strong lines"
    )
    diagrams: dict[str, Classification] = Field(
        default_factory=dict, description="Ionisation classes by the other diagrams"
    )
    magnitudes: dict[str, Measurement] = Field(
        default_factory=dict, description="SDSS magnitudes of the spectrum, inside the fibre, by band"
    )
    lines: dict[str, LineMeasurement]
    lick: dict[str, Measurement] = Field(
        default_factory=dict,
        description="Absorption indices at the spectrum's own resolution, fitted emission taken off",
    )
    lick_system: dict[str, Measurement] = Field(
        default_factory=dict, description="The same indices at the resolution of the Lick system"
    )

    def flagged(self, flag: Flag) -> Self:
        """The same with another flag wherever it is `ok`."""
        return cast(Self, _flagged(self, flag))


def _flagged(item: Any, flag: Flag) -> Any:
    match item:
        case Measurement() | Classification():
            return item.model_copy(update={"flag": flag}) if item.flag is Flag.OK else item
        case BaseModel():
            fields = {name: _flagged(getattr(item, name), flag) for name in type(item).model_fields}
            return item.model_copy(update=fields)
        case dict():
            return {name: _flagged(value, flag) for name, value in item.items()}
        case _:
            return item
