from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fits_files import FitsMaker

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def make() -> FitsMaker:
    return FitsMaker()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the real SDSS files are not at ../shared/data")
    return SHARED


@pytest.fixture(scope="session")
def stamp_files(shared_data: Path) -> Callable[[str], dict[str, bytes]]:
    """Five files of a galaxy of ../shared/data/stamps by band."""
    return lambda name: {
        band: (shared_data / "stamps" / f"stamp-{band}-{name}.fits").read_bytes() for band in "ugriz"
    }
