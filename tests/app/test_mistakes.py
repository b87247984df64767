"""Every mistake that a caller can make answers its 4xx problem document; none is a 5xx or a job."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from fiberless.errors import PROBLEMS
from fiberless.images.fits.read import write_cutout
from fiberless.testing import synthetic_cutout

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions"
FITS = {"Content-Type": "application/fits"}
JSON = {"Content-Type": "application/json"}
GALAXY = write_cutout(synthetic_cutout(1))
FLUX = synthetic_cutout(1).flux_nmgy


def cube(flux: np.ndarray = FLUX, **cards: Any) -> bytes:
    stream = BytesIO()
    header = fits.Header({"BUNIT": "nanomaggy", **cards})
    fits.PrimaryHDU(np.asarray(flux, dtype=np.float32), header=header).writeto(stream)
    return stream.getvalue()


def pieces(*names: str) -> bytes:
    stream = BytesIO()
    images = [fits.ImageHDU(FLUX[i % 5], name=name) for i, name in enumerate(names)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(stream)
    return stream.getvalue()


def with_pixels(change: Callable[[np.ndarray], Any]) -> bytes:
    flux = FLUX.copy()
    change(flux)
    return cube(flux)


def fill(value: float, where: Any = ...) -> bytes:
    return with_pixels(lambda flux: flux.__setitem__(where, value))


def form(*names: str, options: str | None = None) -> dict[str, Any]:
    files = [(name, (f"{name}.fits", GALAXY, "application/fits")) for name in names]
    return {"files": files, "data": {} if options is None else {"options": options}}


def raw(content: bytes, query: str = "", **headers: str) -> dict[str, Any]:
    return {"url": URL + query, "content": content, "headers": FITS | headers}


def document(text: str) -> dict[str, Any]:
    return {"content": text.encode(), "headers": JSON}


def target(ra: Any = 180.0, dec: Any = 1.0, **options: Any) -> dict[str, Any]:
    return document(json.dumps({"target": {"ra": ra, "dec": dec}, "options": options}))


async def chunks(size: int) -> Any:
    for _ in range(size // 2**16):
        yield b"\0" * 2**16


@dataclass(frozen=True)
class Mistake:
    name: str
    slug: str
    request: dict[str, Any] = field(repr=False)


MISTAKES = [
    Mistake("random bytes", "not-fits", raw(b"hello, sky" * 400)),
    Mistake("PNG", "not-fits", raw(b"\x89PNG\r\n\x1a\n" + b"\0" * 5000)),
    Mistake("HTML", "not-fits", raw(b"<!doctype html><html></html>")),
    Mistake("zip", "compressed-upload", raw(b"PK\x03\x04" + b"\0" * 5000)),
    Mistake("bzip2", "compressed-upload", raw(b"BZh91AY&SY" + b"\0" * 5000)),
    Mistake("gzip in gzip", "compressed-upload", raw(gzip.compress(gzip.compress(GALAXY)))),
    Mistake("empty", "fits-empty", raw(b"")),
    Mistake("truncated data", "fits-truncated", raw(GALAXY[:-2880])),
    Mistake("truncated header", "fits-truncated", raw(GALAXY[:1000])),
    Mistake("garbage after the end", "fits-trailing-data", raw(GALAXY + b"x" * 2880)),
    Mistake(
        "NAXIS is a word",
        "fits-header-invalid",
        raw(GALAXY.replace(b"NAXIS   =                    3", b"NAXIS   =              'three'")),
    ),
    Mistake(
        "SIMPLE = F",
        "fits-not-standard",
        raw(GALAXY.replace(b"SIMPLE  =                    T", b"SIMPLE  =                    F")),
    ),
    Mistake(
        "BITPIX 7",
        "fits-bitpix",
        raw(GALAXY.replace(b"BITPIX  =                  -32", b"BITPIX  =                    7")),
    ),
    Mistake(
        "NAXIS1 of 2e9",
        "fits-too-large",
        raw(GALAXY.replace(b"NAXIS1  =                   64", b"NAXIS1  =           2000000000")),
    ),
    Mistake("2-D image", "fits-shape", raw(cube(FLUX[0]))),
    Mistake("not square", "fits-shape", raw(cube(FLUX[:, :, :50]))),
    Mistake("4 bands", "wrong-band-count", raw(cube(FLUX[:4]))),
    Mistake("6 bands", "wrong-band-count", raw(cube(np.concatenate([FLUX, FLUX[:1]])))),
    Mistake("four image HDUs", "wrong-band-count", raw(pieces("u", "g", "r", "i"))),
    Mistake("(64,64,5)", "band-axis-order", raw(cube(np.moveaxis(FLUX, 0, -1)))),
    Mistake("unknown filter names", "wrong-band-order", raw(pieces("U", "B", "V", "R", "I"))),
    Mistake("4×4 pixels", "image-too-small", raw(cube(FLUX[:, :4, :4]))),
    Mistake("wrong unit", "unknown-unit", raw(cube(BUNIT="furlong"))),
    Mistake("all NaN", "no-valid-pixels", raw(fill(np.nan))),
    Mistake("a tenth NaN", "invalid-pixels", raw(fill(np.nan, (slice(None), slice(0, 7))))),
    Mistake("infinite pixel", "invalid-pixels", raw(fill(np.inf, (2, 3, 3)))),
    Mistake("1e38", "flux-out-of-range", raw(fill(1e38, (2, 32, 32)))),
    Mistake("constant band", "empty-band", raw(fill(1.0, 3))),
    Mistake(
        "Content-Encoding", "content-encoding", raw(gzip.compress(GALAXY), **{"Content-Encoding": "gzip"})
    ),
    Mistake(
        "wrong content type",
        "unsupported-media-type",
        {"content": GALAXY, "headers": {"Content-Type": "image/png"}},
    ),
    Mistake("no content type", "unsupported-media-type", {"content": GALAXY}),
    Mistake("oversize", "body-too-large", raw(b"\0" * (2**20 + 1))),
    Mistake("oversize in chunks", "body-too-large", {"content": lambda: chunks(2**21), "headers": FITS}),
    Mistake(
        "lying Content-Length",
        "body-too-large",
        {"content": lambda: chunks(2**21), "headers": FITS | {"Content-Length": "10"}},
    ),
    Mistake("n_candidates=0", "invalid-parameter", raw(GALAXY, "?n_candidates=0")),
    Mistake("n_candidates=1e9", "invalid-parameter", raw(GALAXY, "?n_candidates=1000000000")),
    Mistake("n_candidates=many", "invalid-parameter", raw(GALAXY, "?n_candidates=many")),
    Mistake("steps 0", "invalid-parameter", form("image", options='{"steps": 0}')),
    Mistake("seed 2^64", "invalid-parameter", form("image", options='{"seed": 18446744073709551616}')),
    Mistake("seed as text", "invalid-parameter", form("image", options='{"seed": "7"}')),
    Mistake("unknown option", "invalid-parameter", raw(GALAXY, "?n_candidate=3")),
    Mistake("option given twice", "invalid-parameter", raw(GALAXY, "?seed=3&seed=4")),
    Mistake("unknown select", "invalid-parameter", form("image", options='{"select": "best"}')),
    Mistake("options in the query of a form", "invalid-parameter", {"url": f"{URL}?seed=3", **form("image")}),
    Mistake("bad Idempotency-Key", "invalid-parameter", raw(GALAXY, **{"Idempotency-Key": "a b"})),
    Mistake("invalid object id", "invalid-object-id", raw(GALAXY, "?object_id=../../etc/passwd")),
    Mistake("object id with control character", "invalid-object-id", raw(GALAXY, "?object_id=a%00b")),
    Mistake(
        "object id of 10 kB",
        "invalid-object-id",
        form("image", options=json.dumps({"object_id": "a" * 10_000})),
    ),
    Mistake("unknown model", "unknown-model", raw(GALAXY, "?model=nonesuch")),
    Mistake("model that is a path", "unknown-model", raw(GALAXY, "?model=../../etc")),
    Mistake("duplicate JSON key", "invalid-json", form("image", options='{"seed": 1, "seed": 2}')),
    Mistake(
        "duplicate key in a target", "invalid-json", document('{"target": {"ra": 1, "ra": 2, "dec": 0}}')
    ),
    Mistake("NaN literal", "invalid-json", document('{"target": {"ra": NaN, "dec": 0}}')),
    Mistake("1e999", "invalid-json", document('{"target": {"ra": 1e999, "dec": 0}}')),
    Mistake("depth 10,000", "invalid-json", document("[" * 10_000 + "]" * 10_000)),
    Mistake("not JSON", "invalid-json", document("ra=180&dec=1")),
    Mistake("not UTF-8", "invalid-json", {"content": b'{"target": "\xff"}', "headers": JSON}),
    Mistake("JSON list", "invalid-parameter", document("[1, 2]")),
    Mistake("no target", "invalid-parameter", document("{}")),
    Mistake("ra=361", "invalid-coordinates", target(ra=361)),
    Mistake("dec=91", "invalid-coordinates", target(dec=91)),
    Mistake("ra as text", "invalid-coordinates", target(ra="1e999")),
    Mistake("no dec", "invalid-coordinates", document('{"target": {"ra": 180}}')),
    Mistake(
        "unknown field of a target",
        "invalid-parameter",
        document('{"target": {"ra": 1, "dec": 1, "epoch": 2000}}'),
    ),
    Mistake(
        "target by name and position",
        "invalid-parameter",
        document('{"target": {"object_id": "sdss:1237648720693755918", "ra": 1, "dec": 1}}'),
    ),
    Mistake("target without anything", "invalid-parameter", document('{"target": {}}')),
    Mistake("target that is a number", "invalid-parameter", document('{"target": 5}')),
    Mistake("target by bad name", "invalid-object-id", document('{"target": {"object_id": "a/b"}}')),
    Mistake("two images", "bad-multipart", form("image", "image")),
    Mistake("image and bands", "bad-multipart", form("image", "image_u")),
    Mistake("unknown part", "bad-multipart", form("picture")),
    Mistake("no image", "bad-multipart", {"files": {"options": ("o.json", b"{}")}}),
    Mistake(
        "image as text", "bad-multipart", {"data": {"image": "x"}, "files": {"options": ("o.json", b"{}")}}
    ),
    Mistake("file name is a path", "bad-multipart", {"files": {"image": ("../../x", GALAXY)}}),
    Mistake(
        "broken multipart",
        "bad-multipart",
        {"content": b"--x\r\nno header", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    ),
    Mistake(
        "multipart without boundary",
        "bad-multipart",
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    ),
    Mistake(
        "thousands of form fields",
        "body-too-large",
        {"data": {f"f{i}": "1" for i in range(5000)}, "files": {"image": ("i", GALAXY)}},
    ),
    Mistake("four band files", "wrong-band-count", form("image_u", "image_g", "image_r", "image_i")),
    Mistake("PUT", "method-not-allowed", {"method": "PUT"}),
    Mistake("unknown path", "not-found", {"method": "GET", "url": "/api/v2/predictions"}),
    Mistake("unknown job", "not-found", {"method": "GET", "url": "/api/v1/jobs/j_0"}),
    Mistake("job id with NUL", "not-found", {"method": "GET", "url": "/api/v1/jobs/a%00b"}),
    Mistake("cancel an unknown job", "not-found", {"method": "DELETE", "url": "/api/v1/jobs/j_0"}),
    Mistake("follow an unknown job", "not-found", {"method": "GET", "url": "/api/v1/jobs/j_0/events"}),
    Mistake("unknown phase", "invalid-parameter", {"method": "GET", "url": "/api/v1/jobs?phase=DONE"}),
    Mistake("not a cursor", "invalid-parameter", {"method": "GET", "url": "/api/v1/jobs?cursor=W10"}),
    Mistake("page of 10^9", "invalid-parameter", {"method": "GET", "url": "/api/v1/jobs?limit=1000000000"}),
    Mistake("all jobs deleted", "method-not-allowed", {"method": "DELETE", "url": "/api/v1/jobs"}),
    Mistake("unknown prediction", "not-found", {"method": "GET", "url": f"{URL}/p_0"}),
    Mistake("spectrum of nothing", "not-found", {"method": "GET", "url": f"{URL}/p_0/spectrum"}),
    Mistake(
        "spectrum as PDF",
        "not-acceptable",
        {"method": "GET", "url": f"{URL}/p_stored/spectrum", "headers": {"Accept": "application/pdf"}},
    ),
    Mistake(
        "unknown format", "invalid-parameter", {"method": "GET", "url": f"{URL}/p_stored/spectrum?format=pdf"}
    ),
    Mistake(
        "unknown frame", "invalid-parameter", {"method": "GET", "url": f"{URL}/p_stored/spectrum?frame=lab"}
    ),
    Mistake(
        "negative candidate",
        "invalid-parameter",
        {"method": "GET", "url": f"{URL}/p_stored/spectrum?candidate=-1"},
    ),
    Mistake("object that nobody submitted", "not-found", {"method": "GET", "url": "/api/v1/objects/sdss:1"}),
    Mistake("object with a bad name", "invalid-object-id", {"method": "GET", "url": "/api/v1/objects/a%0ab"}),
    Mistake("unknown model card", "not-found", {"method": "GET", "url": "/api/v1/models/nonesuch"}),
    Mistake("unknown problem", "not-found", {"method": "GET", "url": "/problems/nonesuch"}),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
async def test_a_mistake_answers_its_problem(shared_client, prediction_id, mistake):
    request = {"method": "POST", "url": URL} | mistake.request
    request["url"] = request["url"].replace("p_stored", prediction_id)
    if callable(request.get("content")):
        request["content"] = request["content"]()
    answer = await shared_client.request(**request)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (
        PROBLEMS[mistake.slug].status,
        f"/problems/{mistake.slug}",
    )
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["title"] == PROBLEMS[mistake.slug].title
    assert problem["instance"].lower() == request["url"].split("?")[0].lower()
    assert 0 < len(problem["detail"]) <= 600
    assert (await shared_client.get(problem["type"])).status_code == 200


def test_the_mistakes_are_different():
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
