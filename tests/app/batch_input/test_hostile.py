"""Small files that ask for gigabytes or for minutes: each is refused, and nobody else notices."""

import base64
import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.app.conftest import running

pytestmark = pytest.mark.anyio
BATCHES = "/api/v1/batches"
GROWTH_KIB = 256 * 1024
GOOD = b"id,ra,dec\na,1,1\n"


def _parquet(table, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def _one_long_value(rows):
    """A dictionary of one value, which each row repeats."""
    name = pa.array(["n" * 2**20]).dictionary_encode()
    names = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), name.dictionary)
    table = pa.table({"id": names, "ra": [1.0] * rows, "dec": [1.0] * rows})
    return _parquet(table, compression="zstd", store_schema=False)


def _aliases():
    """Nine levels of ten aliases each."""
    levels = [f"# x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9)]
    lines = ["# %ECSV 1.0", "# ---", "# x0: &x0 [aaaaaaaaaa]", *levels]
    return "\n".join([*lines, "# datatype:", "# - {name: *x8}", "# - {name: dec}", "ra dec", "1 1\n"])


def _astropy_head():
    yaml = _aliases().split("# ---\n")[1].split("\nra dec")[0].replace("# ", "")
    table = pa.table({"ra": [1.0], "dec": [1.0]})
    return _parquet(table.replace_schema_metadata({"table_meta_yaml": yaml}))


def _cells_of_no_width():
    """A row is one byte, and has thousands of empty cells."""
    fields = b'<FIELD name="ra" datatype="unsignedByte"/><FIELD name="dec" datatype="unsignedByte"/>'
    fields += b'<FIELD name="x" datatype="char" arraysize="0"/>' * 4900
    stream = base64.b64encode(bytes(200_000))
    return (
        b"<VOTABLE><RESOURCE><TABLE>%s<DATA><BINARY><STREAM>%s</STREAM></BINARY></DATA></TABLE></RESOURCE>"
        b"</VOTABLE>" % (fields, stream)
    )


def _many_keys(n):
    return b"{" + b",".join(b'"%d":0' % key for key in range(n)) + b',"0":0}'


HOSTILE = {
    "a value repeated by a Parquet dictionary": ("parquet", _one_long_value(2047)),
    "aliases of an ECSV head": ("text", _aliases().encode()),
    "aliases that astropy's head in Parquet has": ("parquet", _astropy_head()),
    "a head of 10 MB of commas": ("text", b"," * 10_000_000),
    "a head of 10 MB of column names": ("text", b"ra,dec" + b",x" * 5_000_000),
    "a cell of 10 MB": ("text", b"id,ra,dec\n" + b"n" * 10_000_000 + b",1,1\n"),
    "VOTable cells of no width": ("votable", _cells_of_no_width()),
    "a VOTable in UTF-7": ("votable", b'<?xml version="1.0" encoding="utf-7"?><VOTABLE/>'),
    "a Parquet footer of 4 GB": ("parquet", b"PAR1" + b"\xff" * 4 + b"PAR1"),
    "a JSON object with many keys, one twice": ("json", _many_keys(200_000)),
    "JSON lists in lists": ("json", b"[" * 1_000_000),
    "JSON of many empty lists": ("json", b"[" + b"[]," * 1_500_000 + b"[]]"),
}
MEDIA = {
    "text": "text/csv",
    "votable": "application/x-votable+xml",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}


@pytest.fixture(scope="module")
async def strict_client(shared_settings, tmp_path_factory):
    """Of a front end whose readers have little."""
    limits = {
        "table_cpu_seconds": 4,
        "table_memory_bytes": 2**28,
        "data_dir": tmp_path_factory.mktemp("data"),
    }
    async with running(shared_settings.model_copy(update=limits)) as client:
        yield client


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_table_is_refused_and_costs_nobody_anything(strict_client, name):
    kind, data = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await strict_client.post(BATCHES, content=data, headers={"Content-Type": MEDIA[kind]})
    assert answer.status_code in {413, 422}, answer.text
    assert answer.json()["type"].removeprefix("/problems/") in {
        "table-too-large", "body-too-large", "bad-table", "invalid-json", "invalid-parameter"
    }  # fmt: skip
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_KIB
    good = await strict_client.post(BATCHES, content=GOOD, headers={"Content-Type": "text/csv"})
    assert good.status_code == 202


@pytest.mark.parametrize("path", ["/api/v1/predictions", "/api/v1/objects/lookup"])
async def test_json_that_is_no_batch_is_small(shared_client, path):
    body = b'{"target": [' + b"[]," * 100_000 + b"[]]}"
    answer = await shared_client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    options = {"options": json.dumps({"label": "x" * 70_000})}
    form = await shared_client.post("/api/v1/predictions", files={"image": ("a.fits", b"x")}, data=options)
    assert (form.status_code, form.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize(
    "deep", [b'{"target": ' + b"[" * 40 + b"]" * 40 + b"}", b'{"a":' * 40 + b"1" + b"}" * 40]
)
async def test_json_is_flat(shared_client, deep):
    answer = await shared_client.post(
        "/api/v1/predictions", content=deep, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-json")
    assert "too deeply" in answer.json()["detail"]
    brackets_in_a_text = {"target": {"ra": 1, "dec": 1}, "options": {"label": '[[[[\\"' * 20}}
    assert (await shared_client.post("/api/v1/predictions", json=brackets_in_a_text)).status_code == 202
