"""Images as the surveys' services and other programs write them end as they must."""

import pytest

from fiberless.errors import FiberlessError
from tests.inputs.images import SITUATIONS


@pytest.mark.parametrize("situation", SITUATIONS, ids=[situation.given for situation in SITUATIONS])
def test_an_image_ends_as_it_must(situation):
    if situation.outcome == "read":
        assert situation.run() == situation.how
        return
    with pytest.raises(FiberlessError) as caught:
        situation.run()
    assert str(caught.value).startswith(situation.how)
