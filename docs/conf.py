"""How Sphinx builds the documentation. `make docs` runs it, warnings as errors."""

import sys
from pathlib import Path

from fiberless import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Fiberless"
author = "the Fiberless authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures of a dozen types hide what the docstrings say
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False
default_role = "code"  # single backticks mark code in docstrings
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"Fiberless {__version__}"
html_copy_source = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository that are not pages
