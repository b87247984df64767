"""Where model versions lie: the folder that is set, else beside the package, else the user's own.

Never in the folder in which a program happens to be started. Needs no torch.
"""

import os
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from fiberless.contract.manifest import list_versions, resolve_version
from fiberless.errors import FatalError, UsageError

__all__ = ["STORE_VARIABLE", "find_version", "model_store", "model_stores", "user_model_store"]

STORE_VARIABLE: Final = "FIBERLESS_MODEL_STORE"
_BESIDE_PACKAGE: Final = Path(__file__).resolve().parents[2] / "model_store"


def user_model_store() -> Path:
    """Folder of the user's own versions, where `fiberless models fetch` puts them; it need not exist.

    `FIBERLESS_MODEL_STORE` if it is set, else `fiberless/models` in the platform's folder of user data
    (`~/.local/share` on Linux, or `XDG_DATA_HOME`).
    """
    given = os.environ.get(STORE_VARIABLE)
    return Path(given) if given else user_data_path("fiberless", appauthor=False) / "models"


def model_stores() -> tuple[Path, ...]:
    """Folders in which versions are looked for, in order: the one that is set, and no other if one is.

    Else `model_store` beside the package, as in a checkout, if it is there, and the user's own folder.
    """
    beside = () if os.environ.get(STORE_VARIABLE) or not _BESIDE_PACKAGE.is_dir() else (_BESIDE_PACKAGE,)
    return (*beside, user_model_store())


def model_store() -> Path:
    """The folder of versions that a service uses, and a command that is told of none."""
    return model_stores()[0]


def find_version(version: str | None = None) -> tuple[Path, str]:
    """Folder that holds a version, and the version's name; None is the first folder's default.

    Raises
    ------
    UsageError
        `unknown-model` if no folder has it.
    FatalError
        `model-unavailable` if there is no default.

    """
    stores = [store for store in model_stores() if list_versions(store)]
    if not stores:
        raise FatalError(
            "model-unavailable",
            f"there is no model in {' or '.join(map(str, model_stores()))}: get one with "
            f"`fiberless models fetch URL|PATH`, or name a folder of versions in {STORE_VARIABLE}",
        )
    if version is None:
        return stores[0], resolve_version(stores[0], None)
    for store in stores:
        if version in list_versions(store):
            return store, version
    known = ", ".join(sorted({name for store in stores for name in list_versions(store)}))
    raise UsageError("unknown-model", f"no model {version!r}; there are: {known}")
