"""Descriptions of problems for people: the page behind each problem's type URI."""

from html import escape
from string import Template
from types import MappingProxyType
from typing import Final

from fiberless.errors import PROBLEMS

__all__ = ["ADVICE", "problem_page"]

_SHAPE: Final = "Send one FITS with a (5, H, W) cube (NAXIS3 = 5), or five image HDUs named u, g, r, i, z."
_WHOLE: Final = "Send the file again, whole and uncompressed; `fitsverify` says what is wrong with it."
ADVICE: Final = MappingProxyType(
    {
        "not-fits": "Send a FITS file: it starts with the card SIMPLE.",
        "compressed-upload": "Unpack the file before you send it; only gzip is unpacked here.",
        "content-encoding": "Send the body as it is, without a Content-Encoding header.",
        "fits-unsupported": "Write plain image HDUs: no tile compression, no random groups.",
        "unsupported-media-type": "Use multipart/form-data, application/fits or application/json.",
        "body-too-large": "Cut the image to the galaxy, about 64×64 pixels a band.",
        "table-too-large": "Leave out the columns that are not needed, or send the table in parts.",
        "fits-too-large": "Cut the image to the galaxy, about 64×64 pixels a band.",
        "fits-header-too-large": "Remove history and comments from the header.",
        "fits-empty": "The upload had no bytes; check the path of the file.",
        "fits-truncated": _WHOLE,
        "fits-trailing-data": _WHOLE,
        "fits-header-invalid": _WHOLE,
        "fits-header-duplicate": "Remove the second of the two cards.",
        "fits-not-standard": "Write the file with SIMPLE = T.",
        "fits-bitpix": "Write pixels as 16- or 32-bit integers, or as 32- or 64-bit floats.",
        "fits-scaling": "Write plain floats, without BSCALE and BZERO.",
        "fits-too-many-hdus": "Send only the five images.",
        "fits-no-image": _SHAPE,
        "fits-shape": _SHAPE,
        "wrong-band-count": _SHAPE,
        "band-axis-order": "Move the band axis first: numpy.moveaxis(cube, -1, 0).",
        "wrong-band-order": "Name the bands u, g, r, i, z.",
        "image-too-small": "Cut a larger image: 64×64 pixels at 0.396 arcsec.",
        "unknown-unit": "Convert the pixels to nanomaggies and say BUNIT = 'nanomaggy'.",
        "not-a-spectrum": "Give an SDSS spec file, a table of wavelength, flux and error, or our own FITS.",
        "invalid-wcs": "Correct the world coordinates, or leave them out.",
        "wrong-pixel-scale": "Resample the image to 0.396 arcsec a pixel.",
        "no-valid-pixels": "Every pixel is NaN; check the mask that was applied.",
        "invalid-pixels": "At most 5 % of the pixels may be NaN, none infinite.",
        "flux-out-of-range": "Check the unit: nanomaggies a pixel.",
        "empty-band": "One band is constant or has no signal; check how the cube was stacked.",
        "invalid-coordinates": "ICRS: degrees, or text like 02:33:25.2 -00:09:20; −90 ≤ dec ≤ 90.",
        "invalid-object-id": "The detail says what a name may have; ids are text or whole numbers.",
        "invalid-parameter": "The detail names the parameter and its limits; /openapi.json lists all.",
        "invalid-json": "Valid UTF-8 JSON, without NaN and without two equal keys.",
        "bad-multipart": "One file `image`, or five files image_u … image_z, and one field `options`.",
        "bad-table": "Send CSV, ECSV, VOTable, FITS or Parquet with columns id, ra, dec.",
        "too-expensive": "Ask for fewer candidates or steps; the detail names the cost and its limit.",
        "unknown-model": "/api/v1/models lists the versions.",
        "unauthorized": "Send `Authorization: Bearer flk_…`; the operator makes keys with `fiberless keys`.",
        "forbidden": "Ask the operator for a key with the scope that the detail names.",
        "cross-site": "Use the service's own page, or a program; pages of other sites may not write.",
        "misdirected": "Call it as localhost, or let the operator add the name to FIBERLESS_ALLOWED_HOSTS.",
        "not-found": "Check the address; a name that was never submitted has no prediction.",
        "method-not-allowed": "The Allow header says which methods there are.",
        "not-acceptable": "Ask for a media type that the detail names, or for */*.",
        "outside-footprint": "The survey has no image there; send your own.",
        "source-unavailable": "Try again later, or send the image yourself.",
        "idempotency-conflict": "Use a new Idempotency-Key for another request.",
        "queue-full": "Wait as long as Retry-After says.",
        "rate-limited": "Wait as long as Retry-After says; RateLimit-Remaining tells what is left.",
    }
)
_OURS: Final = "This is our fault, not yours. Try again after the time in Retry-After, if there is one."
_PAGE: Final = Template(
    "<!doctype html>\n"
    '<html lang="en"><head><meta charset="utf-8"><title>$title</title>'
    '<link rel="icon" href="../static/icon.svg" type="image/svg+xml">'
    '<link rel="stylesheet" href="../static/style.css"></head>\n'
    "<body><h1>$title</h1><p>$advice</p>"
    "<p>Problem type <code>/problems/$slug</code>, answered with HTTP status $status.</p></body></html>\n"
)


def problem_page(slug: str) -> str:
    """HTML page about a problem; KeyError if there is no such slug."""
    problem = PROBLEMS[slug]
    advice = ADVICE.get(slug, _OURS)
    return _PAGE.substitute(
        title=escape(problem.title), advice=escape(advice), slug=escape(slug), status=problem.status
    )
