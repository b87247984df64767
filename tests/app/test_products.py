"""Downloads of a stored prediction over HTTP: every format, both frames, the plot and the pictures."""

import asyncio
import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits, votable
from astropy.table import Table
from PIL import Image
from specutils import Spectrum

from app.downloads import MEDIA_TYPES
from fiberless.products.columns import SPECTRUM_COLUMNS
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions"
FORMATS = ["json", "fits", "votable", "ecsv", "csv", "parquet"]
READERS = {
    "fits": lambda data: Table.read(BytesIO(data), format="fits", hdu=1),
    "votable": lambda data: votable.parse_single_table(BytesIO(data), verify="exception").to_table(),
    "ecsv": lambda data: Table.read(BytesIO(data), format="ascii.ecsv"),
    "csv": lambda data: Table.from_pandas(pd.read_csv(BytesIO(data))),
    "parquet": lambda data: Table.from_pandas(pd.read_parquet(BytesIO(data))),
}


@pytest.fixture
def get(shared_client, prediction_id):
    async def get_product(path, **headers):
        return await shared_client.get(f"{URL}/{prediction_id}/{path}", headers=headers)

    return get_product


@pytest.fixture
async def document(shared_client, prediction_id):
    return (await shared_client.get(f"{URL}/{prediction_id}")).json()


def numbers(values):
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def column(table, index):
    return np.ma.filled(np.ma.asarray(table[table.colnames[index]]).astype(float), np.nan)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("frame", "candidate"), [("observed", None), ("rest", None), ("rest", 2)])
async def test_every_format_holds_the_same_numbers(get, name, frame, candidate):
    query = f"frame={frame}" + ("" if candidate is None else f"&candidate={candidate}")
    expected = (await get(f"spectrum?format=json&{query}")).json()
    shown = expected["spectrum"] if candidate is None else expected
    answer = await get(f"spectrum?format={name}&{query}")
    assert answer.headers["Content-Type"].split(";")[0] == MEDIA_TYPES[name]
    table = READERS[name](answer.content)
    assert len(table.colnames) == len(SPECTRUM_COLUMNS)
    np.testing.assert_allclose(column(table, 0), shown["wavelength"]["values"], atol=1e-4)
    np.testing.assert_allclose(column(table, 1), numbers(shown["flux"]["values"]), rtol=1e-5)


async def test_the_rest_frame_is_that_of_the_shown_redshift(get, document):
    rest = (await get("spectrum?frame=rest")).json()["spectrum"]
    stretch = 1 + document["spectrum"]["redshift"]
    assert (rest["frame"], rest["redshift"]) == ("rest", document["spectrum"]["redshift"])
    np.testing.assert_allclose(
        numbers(rest["wavelength"]["values"]) * stretch,
        document["spectrum"]["wavelength"]["values"],
        rtol=1e-7,
    )
    for name in ("flux", "uncertainty"):
        np.testing.assert_allclose(
            numbers(rest[name]["values"]),
            numbers(document["spectrum"][name]["values"]) * stretch,
            rtol=1e-5,
        )
    assert rest["mask"] == document["spectrum"]["mask"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/x-votable+xml", "application/x-votable+xml"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("image/fits", "application/fits"),
        ("text/*;q=0.3", "text/x-ecsv; charset=utf-8"),
    ],
)
async def test_the_format_follows_what_is_accepted(get, accept, media):
    answer = await get("spectrum", Accept=accept)
    assert answer.headers["Content-Type"] == media
    assert answer.headers["Vary"] == "Accept"


async def test_what_cannot_be_made_is_refused(get, shared_client, prediction_id):
    assert (await get("spectrum", Accept="image/png")).status_code == 406
    assert (await get("cutout", Accept="text/csv")).status_code == 406
    assert (await get("spectrum?format=xml")).status_code == 422
    assert (await get("spectrum?frame=galactic")).status_code == 422
    assert (await get("spectrum?candidate=4")).status_code == 404
    assert (await get("spectrum?candidate=-1")).status_code == 422
    assert (await shared_client.get(f"{URL}/{prediction_id}?include=everything")).status_code == 422
    for path in ("spectrum", "preview.png", "cutout"):
        assert (await shared_client.get(f"{URL}/p_none/{path}")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        *(f"spectrum?format={name}&frame=rest" for name in FORMATS),
        "preview.png",
        "cutout",
        "cutout?format=png",
    ],
)
async def test_what_the_caller_has_already_is_not_sent_again(get, path):
    first = await get(path)
    assert first.status_code == 200
    again = await get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert not first.headers["ETag"].startswith("W/")
    assert again.headers["Vary"] == "Accept"


@pytest.mark.parametrize("name", FORMATS)
async def test_every_product_says_that_it_is_predicted(get, name):
    content = (await get(f"spectrum?format={name}")).content
    assert b"predicted" in content.lower()


async def test_the_file_opens_in_specutils(get, document):
    spectrum = Spectrum.read(BytesIO((await get("spectrum?format=fits")).content))
    shown = document["spectrum"]
    np.testing.assert_allclose(spectrum.flux.value, numbers(shown["flux"]["values"]), rtol=1e-5)
    np.testing.assert_allclose(spectrum.uncertainty.array, numbers(shown["uncertainty"]["values"]), rtol=1e-5)
    np.testing.assert_array_equal(spectrum.mask, shown["mask"])


async def test_the_plot_is_a_picture_that_says_predicted(get):
    pictures = await asyncio.gather(*(get("preview.png") for _ in range(3)))
    assert len({picture.content for picture in pictures}) == 1
    with Image.open(BytesIO(pictures[0].content)) as image:
        assert image.format == "PNG"
        assert image.width > 1000
        assert "PREDICTED spectrum, not observed" in image.text["Title"]


async def test_the_image_comes_as_fits_or_as_a_picture(get, galaxy_fits):
    assert (await get("cutout")).content == galaxy_fits
    answer = await get("cutout", Accept="image/png")
    assert answer.content == (await get("cutout?format=png")).content
    with Image.open(BytesIO(answer.content)) as image:
        assert (image.size, image.mode) == ((256, 256), "RGB")
        red, green, blue = image.getpixel((128, 128))
        assert min(red, green, blue) > max(image.getpixel((4, 4)))


async def test_candidates_samples_and_pixels_come_with_the_document(
    shared_client, shared_settings, prediction_id, galaxy_fits
):
    answer = await shared_client.get(f"{URL}/{prediction_id}?include=candidates,samples,cutout")
    plain = (await shared_client.get(f"{URL}/{prediction_id}")).content
    extended = answer.json()
    samples, cutout = extended.pop("samples"), extended.pop("cutout")
    assert extended == json.loads(plain)
    assert answer.content.startswith(plain[:-1])
    store = open_store(shared_settings)
    arrays = store.predictions.arrays(prediction_id)
    store.close()
    found = np.array([numbers(row) for row in samples["values"]])
    np.testing.assert_allclose(found, arrays.candidate_flux, rtol=1e-5)
    assert samples["redshift"] == [row["redshift"] for row in extended["candidates"]]
    with fits.open(BytesIO(galaxy_fits)) as hdus:
        np.testing.assert_allclose(np.array(cutout["values"]), hdus[0].data, rtol=1e-5)
    assert cutout["bands"] == list("ugriz")


async def test_only_what_is_asked_for_is_included(shared_client, prediction_id):
    assert "samples" not in (await shared_client.get(f"{URL}/{prediction_id}?include=cutout")).json()
    plain = await shared_client.get(f"{URL}/{prediction_id}")
    same = await shared_client.get(f"{URL}/{prediction_id}?include=candidates")
    assert same.content == plain.content


async def test_the_links_of_a_prediction_lead_somewhere(shared_client, document):
    for address in document["links"].values():
        assert (await shared_client.get(address.format(k=0))).status_code == 200


async def test_the_schema_names_every_column_with_unit_and_ucd(shared_client, get, document):
    schema = (await shared_client.get("/api/v1/schema")).json()
    table = votable.parse_single_table(BytesIO((await get("spectrum?format=votable")).content))
    assert [row["name"] for row in schema["spectrum"]] == [field.name for field in table.fields]
    assert [row["ucd"] for row in schema["spectrum"]] == [field.ucd for field in table.fields]
    properties = {row["name"]: row for row in schema["properties"]}
    assert properties["stellar_age"]["unit"] == document["properties"]["stellar_age"]["unit"]
    assert properties["lines.Halpha.ew"]["column"] == "Halpha_ew"
    assert {"prediction_id", "redshift", "redshift_lower", "redshift_flag"} <= {
        row["name"] for row in schema["row"]
    }
