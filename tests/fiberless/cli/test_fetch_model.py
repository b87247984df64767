"""`fiberless models fetch`: whole versions only, from folders, archives and a web server."""

import io
import json
import shutil
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.cli.fetch_model import fetch_version
from fiberless.contract.manifest import list_versions, read_manifest, resolve_version, verify_files
from fiberless.errors import FatalError, UsageError
from fiberless.testing import TOY_VERSION, write_toy_store


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    store = tmp_path_factory.mktemp("offered")
    write_toy_store(store)
    return store / TOY_VERSION


@pytest.fixture
def offered(toy, tmp_path):
    """A copy to be spoilt."""
    return shutil.copytree(toy, tmp_path / "offered" / TOY_VERSION)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@contextmanager
def served(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def packed(folder, kind):
    base = folder.parent / "packed"
    return shutil.make_archive(str(base), kind, root_dir=folder.parent, base_dir=folder.name)


def is_whole(store):
    manifest = read_manifest(store, TOY_VERSION)
    verify_files(store, manifest)
    assert resolve_version(store, None) == TOY_VERSION
    assert (store / TOY_VERSION / "card.md").is_file()
    assert sorted(path.name for path in store.iterdir()) == ["DEFAULT", TOY_VERSION]


@pytest.mark.parametrize("kind", ["folder", "tar", "gztar", "zip"])
@pytest.mark.parametrize("from_where", ["path", "server"])
def test_it_arrives_whole(kind, from_where, offered, tmp_path):
    origin = offered if kind == "folder" else packed(offered, kind)
    if from_where == "path":
        fetch_version(str(origin), tmp_path / "store")
    else:
        with served(offered.parent) as url:
            fetch_version(f"{url}/{str(origin).rpartition('/')[2]}", tmp_path / "store")
    is_whole(tmp_path / "store")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_corrupted_file_is_named_and_nothing_is_kept(kind, offered, tmp_path):
    (offered / "basis.safetensors").write_bytes(b"changed")
    origin = offered if kind == "folder" else packed(offered, kind)
    with pytest.raises(FatalError, match=r"toy-1/basis\.safetensors does not match its pinned sha256"):
        fetch_version(str(origin), tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_missing_file_is_named(offered, tmp_path):
    (offered / "basis.safetensors").unlink()
    with served(offered) as url, pytest.raises(FatalError, match=r"toy-1/basis\.safetensors is missing"):
        fetch_version(url, tmp_path / "store")


def test_the_second_is_not_the_default_and_the_same_again_is_no_fault(toy, offered, tmp_path):
    store = tmp_path / "store"
    fetch_version(str(toy), store)
    fetch_version(str(offered), store)
    is_whole(store)


def test_another_of_the_same_name_is_left_alone(toy, offered, tmp_path):
    store = tmp_path / "store"
    fetch_version(str(toy), store)
    manifest = json.loads((offered / "manifest.json").read_text())
    manifest["files"]["basis.safetensors"] = "0" * 64
    (offered / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="is another model of that name"):
        fetch_version(str(offered), store)
    is_whole(store)


def with_file(offered, name):
    manifest = json.loads((offered / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    return json.dumps(manifest).encode()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..\\outside", "a//b"])
def test_a_manifest_names_no_file_outside(name, offered, tmp_path):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("toy-1/manifest.json", with_file(offered, name))
    with pytest.raises(FatalError, match="does not name a file inside"):
        fetch_version(str(archive), tmp_path / "store")


def test_links_in_an_archive_are_not_followed(offered, tmp_path):
    archive = tmp_path / "evil.tar"
    manifest = (offered / "manifest.json").read_bytes()
    with tarfile.open(archive, "w") as tar:
        about = tarfile.TarInfo("toy-1/manifest.json")
        about.size = len(manifest)
        tar.addfile(about, io.BytesIO(manifest))
        for name in json.loads(manifest)["files"]:
            link = tarfile.TarInfo(f"toy-1/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(offered / name)
            tar.addfile(link)
    with pytest.raises(FatalError, match="is missing"):
        fetch_version(str(archive), tmp_path / "store")


@pytest.mark.parametrize("kind", ["gztar", "xztar", "zip"])
def test_half_an_archive_is_refused(kind, offered, tmp_path):
    archive = Path(packed(offered, kind))
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(UsageError, match=r"is damaged|is no archive"):
        fetch_version(str(archive), tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_too_large_is_refused(kind, offered, tmp_path):
    origin = offered if kind == "folder" else packed(offered, kind)
    with served(offered.parent) as url, pytest.raises(UsageError, match="larger than is allowed"):
        fetch_version(f"{url}/{str(origin).rpartition('/')[2]}", tmp_path / "store", max_bytes=1000)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("nothing", "there is no file or folder nothing"),
        ("text.txt", "is no archive"),
        ("empty.zip", "holds 0 manifest.json"),
        ("empty", "there is no manifest.json in empty"),
        ("{url}/absent.zip", "there is nothing at http"),
        ("{url}/absent", "there is no manifest.json in http"),
    ],
)
def test_what_is_no_version_is_refused(origin, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no archive")
    (tmp_path / "empty").mkdir()
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with served(tmp_path / "empty") as url, pytest.raises(UsageError, match=reason):
        fetch_version(origin.format(url=url), tmp_path / "store")


def test_a_server_that_is_not_there_is_said(tmp_path):
    with served(tmp_path) as url:
        pass
    with pytest.raises(FatalError, match=r"model-unavailable: http://127.0.0.1.*refused"):
        fetch_version(f"{url}/toy-1.zip", tmp_path / "store")


def test_the_command_puts_it_where_models_are_looked_for(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("FIBERLESS_MODEL_STORE", str(tmp_path / "mine"))
    told = CliRunner().invoke(app, ["models", "fetch", str(toy)])
    assert told.exit_code == 0, told.output
    assert "toy-1 is in" in told.output
    assert list_versions(tmp_path / "mine") == ["toy-1"]
