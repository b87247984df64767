"""The order of sources, and what is said when none has an image."""

import pytest
from pydantic import ValidationError

from fiberless.contract import Target
from fiberless.errors import ErrorKind, FatalError, TransientError, UsageError
from fiberless.service.image_sources import configured_source
from fiberless.service.settings import Settings
from fiberless.sources.source import SourceChain
from fiberless.testing import synthetic_cutout

TARGET = Target(ra=10.0, dec=-5.0)
OUTSIDE = UsageError("outside-footprint", "not there")
UNKNOWN = UsageError("not-found", "no such name")
BLANK = UsageError("empty-band", "u is empty")
BUSY = TransientError("source-unavailable", "try later")
BROKEN = FatalError("source-unavailable", "refused")


class Scripted:
    """A source that gives an image, or raises what it is told to."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    def fetch(self, _):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def chain(*answers):
    return SourceChain([(f"s{number}", Scripted(answer)) for number, answer in enumerate(answers)])


def test_the_first_image_is_taken():
    first, second = synthetic_cutout(1), synthetic_cutout(2)
    sources = chain(OUTSIDE, first, second)
    assert sources.fetch(TARGET) is first
    assert [source.asked for _, source in sources.sources] == [1, 1, 0]


@pytest.mark.parametrize("fault", [OUTSIDE, UNKNOWN, BLANK, BUSY, BROKEN])
def test_after_any_refusal_the_next_is_asked(fault):
    image = synthetic_cutout(1)
    assert chain(fault, image).fetch(TARGET) is image


@pytest.mark.parametrize(
    ("faults", "kind", "slug"),
    [
        ((OUTSIDE, OUTSIDE), ErrorKind.USAGE, "outside-footprint"),
        ((UNKNOWN, OUTSIDE), ErrorKind.USAGE, "outside-footprint"),
        ((UNKNOWN, UNKNOWN), ErrorKind.USAGE, "not-found"),
        ((BLANK, OUTSIDE), ErrorKind.USAGE, "empty-band"),
        ((OUTSIDE, BUSY, BROKEN), ErrorKind.TRANSIENT, "source-unavailable"),
        ((BROKEN, OUTSIDE), ErrorKind.FATAL, "source-unavailable"),
    ],
)
def test_what_is_said_when_none_has_an_image(faults, kind, slug):
    with pytest.raises((UsageError, TransientError, FatalError)) as caught:
        chain(*faults).fetch(TARGET)
    assert (caught.value.kind, caught.value.slug) == (kind, slug)
    for number, fault in enumerate(faults):
        assert f"s{number}: {fault.detail}" in caught.value.detail


def names(settings):
    source = configured_source(settings)
    source.close()
    return [name for name, _ in source.sources]


def test_order_is_the_configured_one(tmp_path, monkeypatch):
    monkeypatch.setenv("FIBERLESS_CUTOUT_SOURCES", "hips, archive,sdss,frames")
    settings = Settings(data_dir=tmp_path, archive_dir=tmp_path, frames_dir=tmp_path)
    assert names(settings) == ["hips", "archive", "sdss", "frames"]
    assert not list(tmp_path.iterdir())


def test_folders_that_are_set_stand_for_themselves(tmp_path):
    assert names(Settings(frames_dir=tmp_path)) == ["frames"]
    assert names(Settings(frames_dir=tmp_path, archive_dir=tmp_path)) == ["archive", "frames"]
    assert names(Settings()) == ["sdss", "hips"]


def test_a_source_without_its_folder_is_refused_at_the_start():
    with pytest.raises(UsageError, match="FIBERLESS_ARCHIVE_DIR"):
        configured_source(Settings(cutout_sources="archive"))


@pytest.mark.parametrize("text", ["sdss,skyview", "sdss;hips", ","])
def test_an_unknown_source_is_refused(text):
    with pytest.raises(ValidationError, match="cutout_sources"):
        Settings(cutout_sources=text)


def test_settings_go_through_an_environment_and_come_back(monkeypatch):
    for sources in ((), ("sdss",), ("archive", "hips")):
        given = Settings(cutout_sources=sources, survey_hosts=("https://a.org", "http://b.org:81"))
        for name in ("cutout_sources", "survey_hosts"):
            monkeypatch.setenv(f"FIBERLESS_{name.upper()}", str(given.model_dump()[name]))
        assert Settings() == given


def test_only_allowed_hosts_are_asked(tmp_path):
    settings = Settings(data_dir=tmp_path, sdss_url="https://elsewhere.org/sas", cutout_sources="sdss")
    source = configured_source(settings)
    with pytest.raises(FatalError, match=r"https://elsewhere\.org is not among FIBERLESS_SURVEY_HOSTS"):
        source.fetch(TARGET)
    source.close()
