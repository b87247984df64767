import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiberless.errors import UsageError
from fiberless.sources.sdss.names import FieldName, SdssObject, frame_path, object_table_path
from tests.survey_files import object_id


@pytest.mark.parametrize(
    ("number", "field", "index"),
    [
        (1237661382772195474, FieldName(3704, 301, 3, 91), 146),  # the example of the survey's own IDL tools
        (1237648720693755918, FieldName(756, 301, 2, 427), 14),
    ],
)
def test_known_identifiers(number, field, index):
    assert SdssObject.parse(f"sdss:{number}") == SdssObject(number, field, index)


@given(
    st.integers(1, 65535),
    st.integers(0, 2047),
    st.integers(1, 6),
    st.integers(0, 4095),
    st.integers(0, 65535),
)
def test_every_identifier_is_taken_apart(run, rerun, camcol, field, index):
    name = FieldName(run=run, rerun=rerun, camcol=camcol, field=field)
    number = object_id(name, index)
    assert SdssObject.parse(f"sdss:{number}") == SdssObject(number, name, index)


@pytest.mark.parametrize(
    "digits",
    [
        *("", "12x", "-1237661382772195474", "0", str(2**63), "99999999999999999999", "１２３７"),
        "587722981742084096",  # of DR7
        str(1237661382772195474 + 5 * 2**29),  # of a camera column 8
    ],
)
def test_what_is_no_identifier(digits):
    with pytest.raises(UsageError) as caught:
        SdssObject.parse(f"sdss:{digits}")
    assert caught.value.slug == "invalid-object-id"


def test_another_catalogue_is_not_known():
    with pytest.raises(UsageError) as caught:
        SdssObject.parse("ngc:4321")
    assert caught.value.slug == "not-found"


def test_paths_are_the_archive_s():
    field = FieldName(run=2820, rerun=301, camcol=3, field=122)
    assert str(frame_path("u", field)) == "eboss/photoObj/frames/301/2820/3/frame-u-002820-3-0122.fits.bz2"
    assert str(object_table_path(field)) == "eboss/photoObj/301/2820/3/photoObj-002820-3-0122.fits"
