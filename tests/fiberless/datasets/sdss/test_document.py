"""What docs/train-on-sdss.md promises is what the code does."""

import re
from pathlib import Path

import pytest
import typer

from fiberless.cli import app
from fiberless.datasets.sdss.chunk import SDSS_COLUMNS, TRUTH_NAMES
from fiberless.datasets.sdss.options import Selection
from fiberless.datasets.sdss.query import query_text
from fiberless.datasets.sdss.spectra import Rejection

TEXT = (Path(__file__).parents[4] / "docs" / "train-on-sdss.md").read_text()


def test_the_query_shown_is_the_query_sent():
    shown = re.search(r"```sql\n(.*?)```", TEXT, re.DOTALL)[1]
    assert " ".join(shown.split()) == query_text(Selection())


@pytest.mark.parametrize("name", [*Rejection, *SDSS_COLUMNS, *TRUTH_NAMES])
def test_each_reason_and_column_is_explained(name):
    assert f"`{name}`" in TEXT


def test_each_option_named_exists():
    commands = typer.main.get_command(app).commands
    known = {
        option
        for command in (*commands.values(), *commands["data"].commands.values())
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--directory"}
    assert named
    assert named <= known
