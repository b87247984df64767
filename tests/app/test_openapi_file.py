import json
import re

import pytest

from app.openapi_file import OPENAPI_FILE, openapi_text


@pytest.fixture(scope="module")
def text():
    return openapi_text()


def test_the_committed_document_is_the_service(text):
    assert OPENAPI_FILE.read_text(encoding="utf-8") == text, "run `python -m app.openapi_file`"


def test_every_call_has_a_summary_a_description_and_an_own_name(text):
    document = json.loads(text)
    calls = [call for path in document["paths"].values() for call in path.values()]
    assert all(call["summary"] and call["description"] for call in calls)
    names = [call["operationId"] for call in calls]
    assert len(set(names)) == len(names)


def test_calls_about_jobs_show_examples_and_name_their_headers(text):
    paths = json.loads(text)["paths"]
    for path, method, status in [
        ("/api/v1/predictions", "post", "202"),
        ("/api/v1/jobs", "get", "200"),
        ("/api/v1/jobs/{job_id}", "get", "200"),
        ("/api/v1/jobs/{job_id}", "delete", "200"),
        ("/api/v1/jobs/{job_id}/events", "get", "200"),
    ]:
        (content,) = paths[path][method]["responses"][status]["content"].values()
        assert content["example"], (method, path)
    submitted = paths["/api/v1/predictions"]["post"]["responses"]
    assert {"Location", "Retry-After", "Preference-Applied"} == set(submitted["202"]["headers"])
    assert set(submitted["429"]["headers"]) == set(submitted["503"]["headers"]) == {"Retry-After"}
    assert "Link" in paths["/api/v1/jobs"]["get"]["responses"]["200"]["headers"]


def test_the_document_names_no_machine(text):
    assert not re.search(r"/(home|work|root|tmp)/|127\.0\.0\.1|localhost", text)
