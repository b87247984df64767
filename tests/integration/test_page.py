"""The page and the interactive reference in a real headless Chromium, against a running service."""

import os
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

from fiberless.images.fits.read import write_cutout
from fiberless.testing import synthetic_cutout, write_toy_store
from tests.running_service import serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None and "REQUIRE_CHROMIUM" not in os.environ:
    pytest.skip("needs a Chromium", allow_module_level=True)
PATIENCE_MS = 90_000


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    write_toy_store(models)
    with serving(tmp_path_factory.mktemp("serve"), models, "--port", "0") as service:
        yield service.url


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # starts a driver when it is used

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Watched:
    """A tab, and what it complained of or asked from elsewhere."""

    def __init__(self, page, url):
        self.page = page
        self.complaints = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._see(request.url, url))

    def _hear(self, message):
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _see(self, asked, url):
        if not asked.startswith((url, f"blob:{url}", "data:")):
            self.complaints.append(f"asked {asked}")


@pytest.fixture
def tab(browser, url):
    context = browser.new_context(viewport={"width": 1100, "height": 900}, accept_downloads=True)
    watched = Watched(context.new_page(), url)
    watched.page.goto(url)
    yield watched
    context.close()


def keep(page, name):
    """A picture to look at, where somebody asks for them."""
    if "LOOK_AT" in os.environ:
        folder = Path(os.environ["LOOK_AT"])
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(folder / f"{name}.png"), full_page=True)


def test_a_file_becomes_a_spectrum_a_table_and_a_download(tab, tmp_path):
    image = tmp_path / "galaxy.fits"
    image.write_bytes(write_cutout(synthetic_cutout(3)))
    page = tab.page
    page.set_input_files("#image", image)
    page.locator("#ask details").locator("summary").click()
    page.fill("#object_id", "page:1")
    page.click("#submit")
    page.wait_for_selector("#status:not([hidden])")
    page.wait_for_selector("#result:not([hidden])")
    assert page.inner_text("#banner") == "PREDICTED, NOT OBSERVED"
    assert page.inner_text("#name") == "page:1"
    page.wait_for_function("document.getElementById('stamp').naturalWidth > 0")
    assert page.locator("#spectrum canvas").bounding_box()["width"] > 300
    rows = page.locator("#properties tbody tr")
    assert rows.nth(0).locator("th").inner_text() == "redshift"
    assert rows.count() > 8
    page.locator("#candidates").check()
    page.wait_for_function("document.querySelectorAll('#spectrum .u-over').length === 1")
    keep(page, "page")
    with page.expect_download() as waiting:
        page.locator("#downloads").get_by_text("FITS", exact=True).click()
    with fits.open(waiting.value.path()) as product:
        assert product[0].header["PREDICT"] is True
        assert len(product["SPECTRUM"].data) == 4500
    assert tab.complaints == []


def test_the_example_is_one_click_and_fits_a_phone_in_the_dark(browser, url):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    tab = Watched(context.new_page(), url)
    page = tab.page
    page.goto(url)
    page.click("#example")
    page.wait_for_function("document.getElementById('drop-text').textContent.includes('kB')")
    page.click("#submit")
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_function("document.getElementById('stamp').naturalWidth > 0")
    keep(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert tab.complaints == []
    context.close()


def test_a_bad_file_shows_what_is_wrong_and_where_to_read_more(tab, tmp_path):
    wrong = tmp_path / "picture.fits"
    wrong.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    page = tab.page
    page.set_input_files("#image", wrong)
    page.click("#submit")
    page.wait_for_selector("#problem:not([hidden])")
    assert "not a FITS file" in page.inner_text("#problem")
    keep(page, "problem")
    page.click("#problem a")
    page.wait_for_url("**/problems/not-fits")
    # the browser itself reports an answer of 415 in its console; nothing else may be there
    assert [complaint for complaint in tab.complaints if "415" not in complaint] == []


def test_a_position_that_is_none_is_refused_in_words(tab):
    page = tab.page
    page.fill("#target", "38.35502")
    page.click("#submit")
    page.wait_for_selector("#problem:not([hidden])")
    assert "right ascension and declination" in page.inner_text("#problem")
    assert [complaint for complaint in tab.complaints if "422" not in complaint] == []


def test_the_keyboard_is_enough(tab):
    page = tab.page
    page.keyboard.press("Tab")
    reached = []
    for _ in range(12):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        page.keyboard.press("Tab")
    assert [name for name in reached if name in {"image", "example", "target", "submit"}] == [
        "image",
        "example",
        "target",
        "submit",
    ]


def test_the_reference_needs_nothing_from_elsewhere(tab, url):
    page = tab.page
    page.goto(f"{url}/docs")
    page.wait_for_selector(".opblock")
    keep(page, "reference")
    assert page.locator(".opblock").count() >= 10
    assert tab.complaints == []
