import numpy as np
import pytest
from pydantic import ValidationError

from fiberless.contract.measurements import summarise
from fiberless.contract.properties import Classification, Flag, LineMeasurement, Measurement, Properties


def test_intervals_of_25_samples_cover_a_new_draw_as_often_as_they_say():
    generator = np.random.default_rng(4)
    draws = generator.normal(size=(4000, 26))
    inside = 0
    for row in draws:
        measured = summarise(row[:25], unit="", method="m")
        inside += measured.lower <= row[25] <= measured.upper
    assert inside / 4000 == pytest.approx(0.68, abs=0.025)


def test_the_value_is_the_median():
    measured = summarise([1.0, 2.0, 9.0], unit="km / s", method="m")
    assert measured.value == 2.0
    assert measured.unit == "km / s"
    assert measured.flag is Flag.OK


def test_what_most_candidates_cannot_show_is_null_and_flagged():
    measured = summarise([np.nan, np.nan, 1.0], unit="", method="m")
    assert (measured.value, measured.lower, measured.upper) == (None, None, None)
    assert measured.flag is Flag.OUT_OF_BAND


def test_a_measurement_is_never_nan():
    with pytest.raises(ValidationError):
        Measurement(value=float("nan"), lower=0, upper=1, unit="", method="m")


def test_only_what_was_ok_gets_another_flag():
    good = Measurement(value=1.0, lower=0.5, upper=1.5, unit="", method="")
    weak = good.model_copy(update={"flag": Flag.LOW_CONFIDENCE})
    kind = Classification(value="agn", probabilities={"agn": 1.0}, method="")
    found = Properties(
        redshift=good,
        dn4000=weak,
        agn_probability=good,
        bpt_class=kind,
        lines={"Halpha": LineMeasurement(flux=good, ew=weak)},
        lick={"Hbeta": good},
    ).flagged(Flag.OUTSIDE_TRAINING_RANGE)
    outside, low = Flag.OUTSIDE_TRAINING_RANGE, Flag.LOW_CONFIDENCE
    assert [found.redshift.flag, found.dn4000.flag, found.bpt_class.flag] == [outside, low, outside]
    assert [found.lines["Halpha"].flux.flag, found.lines["Halpha"].ew.flag] == [outside, low]
    assert found.lick["Hbeta"] == good.model_copy(update={"flag": outside})
    assert found.velocity_dispersion is None
