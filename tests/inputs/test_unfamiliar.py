"""Each reader of targets that may answer None is fed something present but unfamiliar, and does not pass over it.

The readers are found in the code: a new one without a case here fails.
"""

import io

import pytest

from app.batch_input.rows import as_object_id, named_row, row_name
from app.batch_input.text_layout import _header
from app.batch_input.votable_binary import BinaryField
from app.given_target import _refuse_position_as_name
from fiberless.client.target_lists import batch_content
from fiberless.errors import UsageError
from fiberless.targets.by_hand import position_in
from fiberless.targets.columns import TableField, find_columns
from fiberless.targets.frames import read_frame
from fiberless.targets.identifiers import identifier_text
from tests.inputs import target_files as files
from tests.inputs.reading_targets import rows_of
from tests.inputs.readers import readers_that_may_return_none

PLACES = ("app/batch_input", "app/given_target.py", "fiberless/targets", "fiberless/client/target_lists.py")


def refuses(slug, call):
    """Whether a call is refused with this slug."""
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.slug == slug, caught.value.detail
    return caught.value.detail


def columns(*fields):
    return find_columns([TableField("id"), *fields])
