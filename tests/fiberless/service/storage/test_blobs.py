import hashlib

import pytest

from fiberless.errors import FatalError, TransientError
from fiberless.service.storage.blobs import BlobStore


@pytest.fixture(params=["local", "memory"])
def blobs(request, tmp_path):
    return BlobStore(str(tmp_path / "blobs") if request.param == "local" else f"memory://{tmp_path.name}")


def test_bytes_come_back_under_the_hash_of_their_content(blobs):
    key = blobs.put(b"galaxy")
    assert key == hashlib.sha256(b"galaxy").hexdigest()
    assert blobs.put(b"galaxy") == key
    assert blobs.get(key) == b"galaxy"


def test_a_missing_blob_is_our_fault(blobs):
    with pytest.raises(FatalError, match="missing"):
        blobs.get("0" * 64)


def test_a_changed_blob_is_not_believed(tmp_path):
    blobs = BlobStore(str(tmp_path))
    key = blobs.put(b"galaxy")
    (tmp_path / key[:2] / key).write_bytes(b"quasar")
    with pytest.raises(FatalError, match="corrupt"):
        blobs.get(key)


def test_nothing_temporary_is_left(tmp_path):
    blobs = BlobStore(str(tmp_path))
    keys = {blobs.put(bytes([n])) for n in range(5)}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == keys


def test_a_folder_that_cannot_be_written_is_a_passing_fault(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TransientError, match="storage-unavailable"):
        BlobStore(str(tmp_path / "file" / "blobs")).put(b"galaxy")
