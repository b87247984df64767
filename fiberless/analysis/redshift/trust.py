"""Whether a redshift that was found is to be trusted, and if not, why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Evidence", "RedshiftIssue", "judged"]

_MIN_PIXELS: Final = 800
_MIN_GOOD_SHARE: Final = 0.7
_MIN_SNR: Final = 2.0
_MIN_DELTA_CHI2: Final = 25.0
_MIN_FEATURES_CHI2: Final = 50.0
_MIN_CONTINUUM_CHI2: Final = 30.0
_MAX_REDUCED_CHI2: Final = 3.0
_STAR_REDSHIFT: Final = 0.0015
_QUASAR_SHARE: Final = 0.8
"""Of what the templates take up: real galaxies and their shifted copies stay below 0.45, simulated quasars of
all redshifts are above 1.6."""
_CONFIRMED_GROUPS: Final = 3
_MAX_REST_CHI2: Final = 2.0
_FAR: Final = 0.3
"""Few galaxies of a survey's usual depth are farther: a redshift beyond it needs twice the evidence."""


class RedshiftIssue(StrEnum):
    """Why a redshift is not to be trusted. None: it is."""

    NO_DATA = "no_data"
    FEW_PIXELS = "few_pixels"
    LOW_SNR = "low_snr"
    SMALL_DELTA_CHI2 = "small_delta_chi2"
    FEW_FEATURES = "few_features"
    POOR_FIT = "poor_fit"
    AT_EDGE = "at_edge"
    LIKE_A_STAR = "like_a_star"
    LIKE_A_QUASAR = "like_a_quasar"
    LONE_LINE = "lone_line"
    INCONSISTENT_LINES = "inconsistent_lines"


_OVERRULED: Final = frozenset({RedshiftIssue.LOW_SNR, RedshiftIssue.POOR_FIT, RedshiftIssue.FEW_FEATURES})
"""By three groups of lines in their pattern: galaxies of very strong lines have hardly any continuum. Between
lines that the subtraction of the sky left, the continuum is no ordinary one."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a redshift.

    Parameters
    ----------
    redshift : the best
    n_pixels, good_share, snr : of the spectrum
    delta_chi2, features_chi2, reduced_chi2 : of the fit, as in `search.FoundRedshift`
    is_at_edge : whether it lies within 1000 km/s of an end of the search
    n_line_groups, has_consistent_lines, continuum_chi2, rest_chi2 : as in `pattern.LinePattern`
    quasar_chi2 : by which a smooth continuum is worse than one with a quasar's broad lines

    """

    redshift: float
    n_pixels: int
    good_share: float
    snr: float
    delta_chi2: float
    features_chi2: float
    reduced_chi2: float
    is_at_edge: bool
    n_line_groups: int
    has_consistent_lines: bool
    continuum_chi2: float
    rest_chi2: float
    quasar_chi2: float


def judged(known: Evidence) -> tuple[tuple[RedshiftIssue, ...], tuple[RedshiftIssue, ...]]:
    """Issues that stand, and those that the pattern of emission lines overrules."""
    found = _issues(known)
    is_confirmed = (
        known.n_line_groups >= _CONFIRMED_GROUPS
        and known.has_consistent_lines
        and known.rest_chi2 < _MAX_REST_CHI2
    )
    if not is_confirmed or set(found) - _OVERRULED:
        return found, ()
    return (), found


def _issues(known: Evidence) -> tuple[RedshiftIssue, ...]:
    needed = 2.0 if known.redshift > _FAR else 1.0
    is_by_lines = known.continuum_chi2 < needed * _MIN_CONTINUUM_CHI2
    tests = {
        RedshiftIssue.FEW_PIXELS: known.n_pixels < _MIN_PIXELS or known.good_share < _MIN_GOOD_SHARE,
        RedshiftIssue.LOW_SNR: known.snr < _MIN_SNR,
        RedshiftIssue.SMALL_DELTA_CHI2: known.delta_chi2 < needed * _MIN_DELTA_CHI2,
        RedshiftIssue.FEW_FEATURES: known.features_chi2 < needed * _MIN_FEATURES_CHI2,
        RedshiftIssue.POOR_FIT: known.reduced_chi2 > _MAX_REDUCED_CHI2 and _explained(known) < 0.5,
        RedshiftIssue.AT_EDGE: known.is_at_edge,
        RedshiftIssue.LIKE_A_STAR: known.redshift < _STAR_REDSHIFT,
        RedshiftIssue.LIKE_A_QUASAR: known.quasar_chi2
        > max(_QUASAR_SHARE * known.features_chi2, _MIN_FEATURES_CHI2),
        RedshiftIssue.LONE_LINE: is_by_lines and known.n_line_groups < 2,
        RedshiftIssue.INCONSISTENT_LINES: not known.has_consistent_lines,
    }
    return tuple(issue for issue, applies in tests.items() if applies)


def _explained(known: Evidence) -> float:
    """Share of the χ² above noise that a smooth continuum leaves and the templates take up.

    Galaxies of very strong lines are fitted badly, but hardly anything of them is left unexplained.
    """
    taken = known.features_chi2 * max(known.reduced_chi2, 1.0)
    left = (known.reduced_chi2 - 1) * known.n_pixels
    return taken / max(taken + left, 1e-9)
