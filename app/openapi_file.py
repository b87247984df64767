"""`python -m app.openapi_file` writes the OpenAPI document to `app/openapi.json`, for clients to compare."""

import json
from pathlib import Path
from typing import Final

from app.main import create_app

__all__ = ["OPENAPI_FILE", "openapi_text"]

OPENAPI_FILE: Final = Path(__file__).with_name("openapi.json")


def openapi_text() -> str:
    """Document of the application as it is now, as the file holds it."""
    return json.dumps(create_app().openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI_FILE.write_text(openapi_text(), encoding="utf-8")
