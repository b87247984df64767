"""Spectra: the files of `spectrum_files.py`.

`tests/fiberless/measuring` compares the numbers read from them with what was written.
"""

import tempfile
from functools import partial
from pathlib import Path

from fiberless.measuring.readers import read_spectrum_file
from tests.inputs.situation import Situation
from tests.inputs.spectrum_files import SITUATIONS as FILES
from tests.inputs.spectrum_files import SpectrumFile, galaxy

TITLE = "Spectra"


def _how(file: SpectrumFile) -> str:
    """What the notes must hold, or the slug of the refusal."""
    return file.slug if file.outcome == "refused" else "; ".join((file.outcome, *file.said))


def _run(file: SpectrumFile) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = file.build(Path(folder), galaxy())
        notes = "\n".join(read_spectrum_file(path).notes)
    return "; ".join((file.outcome, *(word for word in file.said if word in notes)))


SITUATIONS = tuple(
    Situation(
        given=f"spectrum: {file.situation}",
        outcome="refused" if file.outcome == "refused" else "read",
        how=_how(file),
        run=partial(_run, file),
    )
    for file in FILES
    if "specutils" not in file.situation
)
