import re
from pathlib import Path

import fiberless.service.storage

ROOM = Path(fiberless.service.storage.__file__).parent
UNSEEN = {"published", "lease_until"}


def test_nothing_that_callers_see_of_a_job_changes_without_an_event():
    """Only `change_jobs` updates jobs, but for columns that no caller is shown."""
    updates = {
        (path.name, column)
        for path in ROOM.rglob("*.py")
        for values in re.findall(r"update\(JOB\).*?\.values\((.*?)\)", path.read_text(), flags=re.DOTALL)
        for column in re.findall(r"(\w+)=", values)
    }
    assert updates
    assert {place for place in updates if place[1] not in UNSEEN} == {("job_rows.py", "revision")}
