import io
import json
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest
from astropy.io.votable import parse
from astropy.table import Table

from app.batch_results import result_rows
from app.main import create_app
from fiberless.products.columns import row_columns
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
BATCHES = "/api/v1/batches"
JSON = {"Content-Type": "application/json"}
MIXED = [
    {"id": "good", "ra": 10.5, "dec": -5.0},
    {"id": "NGC 1", "ra": 361, "dec": 0},
    {"ra": 10.5},
    {"object_id": "sdss:1237648720693755918"},
    {"id": "both", "ra": 1, "dec": 1, "object_id": "sdss:1"},
    {"id": "text", "ra": "1", "dec": 1},
    {"id": "more", "ra": 1, "dec": 1, "z": 3},
    {"id": True, "ra": 1, "dec": 1},
    "nothing",
    {"id": 7, "ra": 0, "dec": 90},
    {"id": "bell \a", "ra": 0, "dec": 90},
    {"key \ud800 ": 1},
]
ANSWERS = [
    ("good", "QUEUED", None),
    ("NGC 1", "ERROR", "invalid-coordinates"),
    (None, "ERROR", "invalid-coordinates"),
    ("sdss:1237648720693755918", "QUEUED", None),
    ("both", "ERROR", "invalid-parameter"),
    ("text", "ERROR", "invalid-coordinates"),
    ("more", "ERROR", "invalid-parameter"),
    (None, "ERROR", "invalid-object-id"),
    (None, "ERROR", "invalid-parameter"),
    ("7", "QUEUED", None),
    ("bell \N{REPLACEMENT CHARACTER}", "ERROR", "invalid-object-id"),
    (None, "ERROR", "invalid-parameter"),
]


async def _items(client, batch):
    answer = await client.get(batch["links"]["items"])
    return [
        (item["id"], item["phase"], item["error"] and item["error"]["slug"])
        for item in answer.json()["items"]
    ]


def _images(*files):
    return [("image", (name, data, "application/fits")) for name, data in files]


async def test_each_row_of_a_mixed_list_has_its_own_answer(client):
    answer = await client.post(BATCHES, content=json.dumps(MIXED), headers=JSON)
    batch = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{BATCHES}/{batch['id']}" == batch["links"]["self"]
    assert answer.headers["Retry-After"].isdecimal()
    assert await _items(client, batch) == ANSWERS
    read = (await client.get(answer.headers["Location"])).json()
    assert (read["n_rows"], read["phase"], read["ended"]) == (12, "EXECUTING", None)
    assert read["counts"] == {
        "PENDING": 0, "QUEUED": 3, "EXECUTING": 0, "COMPLETED": 0, "ERROR": 9, "ABORTED": 0
    }  # fmt: skip


async def test_a_row_is_a_job_like_any_other(client):
    body = {"targets": MIXED[:2], "options": {"n_candidates": 3, "label": "plate"}}
    batch = (await client.post(BATCHES, json=body)).json()
    assert batch["label"] == "plate"
    items = (await client.get(batch["links"]["items"], params={"phase": "ERROR"})).json()["items"]
    job = (await client.get(items[0]["links"]["job"])).json()
    assert (job["phase"], job["error"]["slug"]) == ("ERROR", "invalid-coordinates")


def _parquet(table, folder):
    table.write(folder / "t.parquet", format="parquet")
    return (folder / "t.parquet").read_bytes()


def _votable(table):
    stream = io.BytesIO()
    table.write(stream, format="votable")
    return stream.getvalue()


def _text(table, kind):
    stream = io.StringIO()
    table.write(stream, format=kind)
    return stream.getvalue().encode()


async def test_every_form_of_one_table_is_the_same_batch_of_rows(client, tmp_path):
    table = Table({"ID": ["a", "b"], "RA": [10.5, 400.0], "Dec": [-5.0, 0.0]})
    forms = {
        "text/csv; charset=utf-8": _text(table, "ascii.csv"),
        "text/ecsv": _text(table, "ascii.ecsv"),
        "application/x-votable+xml": _votable(table),
        "application/vnd.apache.parquet": _parquet(table, tmp_path),
    }
    for media, data in forms.items():
        raw = await client.post(f"{BATCHES}?n_candidates=2", content=data, headers={"Content-Type": media})
        form = await client.post(
            BATCHES, files={"table": ("t", data)}, data={"options": json.dumps({"n_candidates": 2})}
        )
        for answer in (raw, form):
            assert answer.status_code == 202, answer.text
            assert await _items(client, answer.json()) == [
                ("a", "QUEUED", None),
                ("b", "ERROR", "invalid-coordinates"),
            ]


@pytest.fixture
async def images(client, work, galaxy_fits, other_galaxy_fits):
    """A batch of three files, the second of them unreadable, when its rows have ended."""
    files = _images(("one.fits", galaxy_fits), ("two.png", b"\x89PNG"), ("../three.fit", other_galaxy_fits))
    answer = await client.post(BATCHES, files=files, data={"options": '{"n_candidates": 2, "steps": 2}'})
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    for item in (await client.get(batch["links"]["items"], params={"phase": "QUEUED"})).json()["items"]:
        work(item["job_id"])
    return (await client.get(batch["links"]["self"], params={"wait": 5})).json()


async def test_images_are_predicted_and_an_unreadable_one_fails_alone(client, images):
    assert (images["phase"], images["n_rows"]) == ("COMPLETED", 3)
    assert images["ended"] is not None
    assert await _items(client, images) == [
        ("one", "COMPLETED", None),
        ("two.png", "ERROR", "not-fits"),
        ("three", "COMPLETED", None),
    ]
    found = (await client.get("/api/v1/objects/three")).json()
    assert found["prediction"]["object"]["object_id"] == "three"


async def test_an_image_that_was_predicted_before_is_complete_at_once(client, images, galaxy_fits):
    again = await client.post(
        BATCHES,
        files=_images(("one.fits", galaxy_fits)),
        data={"options": '{"n_candidates": 2, "steps": 2}'},
    )
    assert again.json()["phase"] == "COMPLETED"
    first = (await client.get(images["links"]["items"])).json()["items"][0]
    (item,) = (await client.get(again.json()["links"]["items"])).json()["items"]
    assert item["prediction_id"] == first["prediction_id"]


async def test_results_say_the_same_in_every_format(client, images, tmp_path):
    async def download(kind):
        answer = await client.get(images["links"]["results"], params={"format": kind})
        assert answer.status_code == 200
        assert images["id"] in answer.headers["Content-Disposition"]
        return answer.content

    rows = json.loads(await download("json"))["rows"]
    prediction = (await client.get(f"/api/v1/predictions/{rows[0]['prediction_id']}")).json()
    redshift = prediction["properties"]["redshift"]
    assert rows[0]["redshift"] == redshift["value"]
    assert (rows[0]["redshift_lower"], rows[0]["redshift_flag"]) == (redshift["lower"], redshift["flag"])
    assert rows[0]["kind"] == "predicted-spectrum"
    assert (rows[1]["phase"], rows[1]["error"], rows[1]["redshift"]) == ("ERROR", "not-fits", None)
    frame = pd.read_csv(io.BytesIO(await download("csv")))
    table = parse(io.BytesIO(await download("votable")), verify="exception").get_first_table()
    (tmp_path / "r.parquet").write_bytes(await download("parquet"))
    parquet = Table.read(tmp_path / "r.parquet", format="parquet")
    for read in (frame, table.array, parquet, pd.read_parquet(tmp_path / "r.parquet")):
        assert list(read["id"]) == ["one", "two.png", "three"]
        assert float(read["redshift"][0]) == redshift["value"]
    assert str(parquet["stellar_age"].unit) == str(table.get_field_by_id("stellar_age").unit) == "Gyr"
    assert list(rows[0]) == list(frame.columns) == parquet.colnames


async def test_results_are_read_a_few_at_a_time(images, settings):
    store = open_store(settings)
    sizes = []
    read = store.batches.outcomes

    class Counting:
        def outcomes(self, *asked, limit, **words):
            sizes.append(len(found := read(*asked, limit=2, **words)))
            assert limit <= 32
            return found

    rows = list(result_rows(SimpleNamespace(batches=Counting()), images["id"], owner=""))
    assert [row[0] for row in rows] == [0, 1, 2]
    assert {len(row) for row in rows} == {6 + len(row_columns())}
    assert sizes == [2, 1, 0]
    store.close()


async def test_results_by_accept_header_and_without_a_body(client, images):
    where = images["links"]["results"]
    answer = await client.get(where, headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert (await client.get(where)).headers["Content-Type"] == "application/json"
    head = await client.head(where)
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.get(where, headers={"Accept": "image/gif"})).status_code == 406
    assert (await client.get(where, params={"format": "xls"})).status_code == 422


async def test_one_key_makes_one_batch_whatever_the_boundary(client, galaxy_fits):
    async def post(key, files):
        return await client.post(BATCHES, files=files, headers={"Idempotency-Key": key})

    first, again = [await post("k", _images(("a.fits", galaxy_fits))) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    assert again.status_code == 202
    other = await post("k", _images(("b.fits", galaxy_fits)))
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-conflict")
    assert len((await client.get(BATCHES)).json()["batches"]) == 1


async def test_a_large_batch_is_written_down_in_pieces_and_let_in_by_and_by(client, settings):
    text = "id,ra,dec\n" + "".join(f"g{row},{row % 360},1\n" for row in range(2500))
    answer = await client.post(BATCHES, content=text, headers={"Content-Type": "text/csv"})
    batch = (await client.get(answer.headers["Location"])).json()
    assert (batch["counts"]["PENDING"], batch["counts"]["QUEUED"]) == (2400, 100)
    store = open_store(settings)
    assert len(store.batch_feeder.feed("fetch", room=settings.batch_queue_rows)) == 900
    store.close()
    single = await client.post("/api/v1/predictions", json={"target": {"ra": 1, "dec": 1}})
    assert single.json()["phase"] == "QUEUED", "a single job does not wait behind a batch"


async def test_cancelling_aborts_what_has_not_ended(client):
    batch = (await client.post(BATCHES, content=json.dumps(MIXED), headers=JSON)).json()
    answer = await client.delete(batch["links"]["self"])
    assert answer.status_code == 200
    assert (answer.json()["phase"], answer.json()["counts"]["ABORTED"]) == ("ABORTED", 3)
    assert {phase for _, phase, _ in await _items(client, batch)} == {"ABORTED", "ERROR"}
    assert (await client.delete(batch["links"]["self"])).json() == answer.json()


async def test_pages_lead_to_the_next(client):
    ids = [(await client.post(BATCHES, json=MIXED[:3])).json()["id"] for _ in range(3)]
    page = await client.get(BATCHES, params={"limit": 2})
    assert [batch["id"] for batch in page.json()["batches"]] == [ids[2], ids[1]]
    assert page.headers["Link"] == f'<{page.json()["next"]}>; rel="next"'
    last = (await client.get(page.json()["next"])).json()
    assert ([batch["id"] for batch in last["batches"]], last["next"]) == ([ids[0]], None)
    rows = await client.get(f"{BATCHES}/{ids[0]}/items", params={"limit": 2})
    assert [item["row"] for item in rows.json()["items"]] == [0, 1]
    assert [item["row"] for item in (await client.get(rows.json()["next"])).json()["items"]] == [2]


@pytest.mark.parametrize("path", ["", "/items", "/results"])
@pytest.mark.parametrize("name", ["b_0123456789abcdef", "no such name"])
async def test_a_batch_that_is_not_there(shared_client, path, name):
    answer = await shared_client.get(f"{BATCHES}/{name}{path}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such batch")


BROKEN = (
    b"<VOTABLE><RESOURCE><TABLE><FIELD name='ra' datatype='double'/><FIELD name='dec' datatype='double'/>"
)
BROKEN += b"<DATA><TABLEDATA>" + b"<TR><TD>1</TD><TD>2</TD></TR>" * 1500 + b"</TABLE>"


@pytest.mark.parametrize(
    ("media", "body", "query", "status", "slug"),
    [
        ("application/json", b"[]", "", 422, "bad-table"),
        ("application/json", b"[NaN]", "", 422, "invalid-json"),
        ("application/json", b"5", "", 422, "invalid-parameter"),
        ("application/json", b'{"targets": 5}', "", 422, "invalid-parameter"),
        ("application/json", b'{"targets": [], "option": {}}', "", 422, "invalid-parameter"),
        ("application/json", b'{"targets": [1], "options": {"steps": 0}}', "", 422, "invalid-parameter"),
        ("application/json", b'{"targets": [1], "options": {"model": "no"}}', "", 422, "unknown-model"),
        (
            "application/json",
            b'{"targets": [1], "options": {"object_id": "a"}}',
            "",
            422,
            "invalid-parameter",
        ),
        ("application/json", b"[1]", "?seed=1", 422, "invalid-parameter"),
        ("text/csv", b"id,ra,dec\n", "", 422, "bad-table"),
        ("text/csv", b"id,ra,dec\na,1,1\n", "?sead=1", 422, "invalid-parameter"),
        ("text/csv", b"a,b\n1,1\n", "", 422, "bad-table"),
        ("application/x-votable+xml", BROKEN, "", 422, "bad-table"),
        ("application/vnd.apache.parquet", b"PAR1", "", 422, "bad-table"),
        ("application/pdf", b"%PDF", "", 415, "unsupported-media-type"),
        ("", b"id,ra,dec\na,1,1\n", "", 415, "unsupported-media-type"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "", 422, "bad-multipart"),
        ("multipart/form-data", b"no boundary", "", 422, "bad-multipart"),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(shared_client, media, body, query, status, slug):
    before = (await shared_client.get(BATCHES)).json()
    answer = await shared_client.post(BATCHES + query, content=body, headers={"Content-Type": media})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert (await shared_client.get(BATCHES)).json() == before, "nothing of it is left"


async def test_parts_of_a_form_that_do_not_belong_there(shared_client):
    forms = [
        {"picture": ("a.fits", b"x")},
        {"image": ("a.fits", b"x"), "table": ("t.csv", b"ra,dec\n1,1\n")},
    ]
    for files in forms:
        answer = await shared_client.post(BATCHES, files=files)
        assert answer.json()["type"] == "/problems/bad-multipart"
    two = [("table", ("t.csv", b"ra,dec\n1,1\n")), ("table", ("u.csv", b"ra,dec\n1,1\n"))]
    assert (await shared_client.post(BATCHES, files=two)).json()["type"] == "/problems/bad-multipart"
    no_file = await shared_client.post(BATCHES, files={"image": (None, b"text")})
    assert no_file.json()["type"] == "/problems/bad-multipart"


@pytest.fixture
async def narrow_client(settings):
    """Of a front end with small limits."""
    limits = {"max_batch_rows": 2, "max_batch_files": 2, "max_batch_bytes": 4000}
    app = create_app(settings.model_copy(update=limits))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def test_more_than_a_batch_may_have_is_refused(narrow_client, galaxy_fits):
    rows = [{"ra": 1, "dec": 1}] * 3
    for answer in (
        await narrow_client.post(BATCHES, json=rows),
        await narrow_client.post(BATCHES, json=rows * 200),
        await narrow_client.post(BATCHES, files=_images(*[(f"{row}.fits", b"x") for row in range(3)])),
        await narrow_client.post(BATCHES, files=_images(("a.fits", galaxy_fits))),
    ):
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    assert (await narrow_client.get(BATCHES)).json()["batches"] == []
    assert (await narrow_client.post(BATCHES, json=rows[:2])).status_code == 202
