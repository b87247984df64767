"""Damped Gauss–Newton within bounds, for the parameters that variable projection leaves."""

from typing import Final, NamedTuple

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.stellar.projection import FitProblem, State

__all__ = ["minimise"]

_CONVERGED: Final = 1e-3
"""Drop of χ², in units of χ² per pixel, that is not worth another step: 3 % of an error."""
_MAX_STEPS: Final = 30
_MAX_DAMPING: Final = 1e8
_MIN_DAMPING: Final = 1e-9
_MAX_STRETCH: Final = 16.0
_FASTER: Final = 1.5


class _StepControl(NamedTuple):
    """Damping of the curvature, and factor on the step that it gives."""

    damping: float
    stretch: float


def minimise(problem: FitProblem, theta: FloatArray, start: BoolArray | None = None) -> tuple[State, bool]:
    """Levenberg–Marquardt, with longer steps where the cost falls faster than foreseen.

    Parameters
    ----------
    problem : what is fitted
    theta : (size,) first guess
    start : (T + J + Q,) columns expected to take part, or None

    Returns
    -------
    (state, converged)

    """
    state = problem.evaluate(np.clip(theta, *problem.bounds), start)
    pace = _StepControl(1e-3, 1.0)
    for _ in range(_MAX_STEPS):
        lower, pace = _lower(state, pace)
        if lower is None:
            return state, pace.damping <= _MAX_DAMPING
        state = lower
    return state, False


def _lower(state: State, pace: _StepControl) -> tuple[State | None, _StepControl]:
    """Next state, None where no step is worth it or helps; and the pace to go on with."""
    problem = state.problem
    slope, curvature = state.normal()
    while pace.damping <= _MAX_DAMPING:
        step = _bounded_step(state, slope, curvature, pace.damping)
        foreseen = float(step @ slope)
        if foreseen < _CONVERGED * state.scale or np.all(np.abs(step) < problem.small_step):
            return None, pace
        trial = problem.evaluate(np.clip(state.theta + pace.stretch * step, *problem.bounds), state.passive)
        if trial.cost < state.cost:
            faster = state.cost - trial.cost > _FASTER * pace.stretch * foreseen
            stretch = min(2 * pace.stretch, _MAX_STRETCH) if faster else 1.0
            return trial, _StepControl(max(pace.damping / 10, _MIN_DAMPING), stretch)
        pace = _StepControl(pace.damping if pace.stretch > 1 else 10 * pace.damping, 1.0)
    return None, pace


def _bounded_step(state: State, slope: FloatArray, curvature: FloatArray, damping: float) -> FloatArray:
    """Damped Newton step; parameters that press against a bound stay there."""
    theta, (lower, upper) = state.theta, state.problem.bounds
    diagonal = np.diag(curvature).copy()
    stuck = ((theta <= lower) & (slope < 0)) | ((theta >= upper) & (slope > 0)) | (diagonal <= 0)
    step = np.zeros_like(theta)
    for _ in range(theta.size):
        open_ = np.flatnonzero(~stuck)
        if not open_.size:
            break
        matrix = curvature[np.ix_(open_, open_)] + damping * np.diag(diagonal[open_])
        step[:] = 0.0
        step[open_] = np.linalg.solve(matrix, slope[open_])
        outward = ((theta <= lower) & (step < 0)) | ((theta >= upper) & (step > 0))
        if not (outward & ~stuck).any():
            break
        stuck |= outward
    return np.clip(theta + step, lower, upper) - theta
