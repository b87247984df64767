import json
from pathlib import Path

import pytest

from fiberless.contract import Prediction
from fiberless.contract.upgrade import upgraded
from fiberless.errors import FatalError

STORED = (Path(__file__).parent / "stored" / "prediction-1.0.json").read_bytes()
"""A document as version 0.1.0 of the service stored it under schema 1.0, its arrays cut to eight pixels."""
NAMES = {
    "stellar_mass": "log_stellar_mass",
    "sfr": "log_sfr",
    "ssfr": "log_ssfr",
    "ebv": "ebv_stars",
    "lg_sfr_halpha": "log_sfr_halpha",
    "lg_ml_living_r": "log_ml_living_r",
    "lg_ml_formed_r": "log_ml_formed_r",
}


def test_a_document_of_schema_1_is_read_as_one_of_schema_2():
    prediction = Prediction.model_validate_json(upgraded(STORED))
    assert prediction.schema_ == "2.0"
    assert len(prediction.candidates) == 25


def test_every_number_stays_as_it_was():
    old, new = json.loads(STORED)["properties"], json.loads(upgraded(STORED))["properties"]
    assert {NAMES.get(name, name): value for name, value in old.items()} == new
    assert set(NAMES) <= set(old)


def test_a_document_of_schema_2_keeps_its_very_bytes():
    newest = upgraded(STORED)
    assert upgraded(newest) is newest


def test_an_unknown_schema_is_refused_by_name():
    with pytest.raises(FatalError, match=r"schema '3\.0', not 1\.0 or 2\.0"):
        upgraded(STORED.replace(b'"schema":"1.0"', b'"schema":"3.0"'))
