import numpy as np

from fiberless.evaluation.images import colour_table, compare_colours
from fiberless.testing import synthetic_cutout, toy_family


def test_colours_of_image_and_prediction_stand_side_by_side():
    cutout = synthetic_cutout(1)
    row = compare_colours(toy_family(), cutout, steps=4, n_candidates=5)
    assert np.isfinite([*row.image, *row.predicted, *row.redshift]).all()
    assert row.redshift[0] <= row.redshift[1] <= row.redshift[2]
    assert row == compare_colours(toy_family(), cutout, steps=4, n_candidates=5)
    table = colour_table({"a": row, "b": row})
    assert "1.48 MAD 0.000" in table
