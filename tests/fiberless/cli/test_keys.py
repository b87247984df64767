"""The operator's commands, as they are typed."""

import re

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from fiberless.cli import app, main
from fiberless.contract import PredictionOptions, Target
from fiberless.service.api_keys import Scope, Token
from fiberless.service.settings import Settings
from fiberless.service.storage import SubmitJob, open_store
from fiberless.service.storage.schema import JOB
from fiberless.testing import TOY_VERSION, write_toy_store


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("FIBERLESS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FIBERLESS_MODEL_STORE", str(tmp_path / "models"))
    monkeypatch.setenv("COLUMNS", "200")
    return Settings()


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    yield opened
    opened.close()


def run(*words, exit_code=0):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == exit_code, result.output
    return result


def test_a_key_is_printed_once_alone_on_its_line(store):
    made = run("keys", "create", "alice", "--scope", "read", "--days", "30", "--note", "laptop")
    token = Token.parse(made.stdout.strip())
    key = store.keys.recognise(token)
    assert (key.owner, key.scopes, key.note) == ("alice", {Scope.READ}, "laptop")
    assert (key.expires - key.created).total_seconds() == pytest.approx(30 * 86400, abs=1)
    listed = run("keys", "list").stdout
    assert token.id in listed
    assert "alice" in listed
    assert token.secret not in listed


def test_a_key_reads_and_submits_unless_told_otherwise(store):
    token = Token.parse(run("keys", "create", "alice").stdout.strip())
    assert store.keys.recognise(token).scopes == {Scope.READ, Scope.SUBMIT}


def test_a_key_is_revoked_by_its_id(store):
    token = Token.parse(run("keys", "create", "alice").stdout.strip())
    assert "is revoked" in run("keys", "revoke", token.id).stdout
    assert store.keys.recognise(token) is None


def test_what_cannot_be_done_is_said_in_one_line(settings, monkeypatch, capsys):  # noqa: ARG001  it sets the folder
    monkeypatch.setattr("sys.argv", ["fiberless", "keys", "revoke", "0000"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "fiberless: not-found: there is no such key\n"


def test_purge_counts_first_and_then_forgets(store, monkeypatch):
    options = PredictionOptions(model="toy-1")
    asked = SubmitJob(None, Target(ra=1.0, dec=2.0), options, idempotency_key=None, body_sha256="b" * 64)
    job, _ = store.jobs.submit(asked)
    store.jobs.cancel(job.id)
    with store.database.write() as connection:
        connection.execute(update(JOB).values(ended=JOB.c.ended - 10 * 86400))
    assert re.search(r"jobs +0\n", run("purge").stdout)
    monkeypatch.setenv("FIBERLESS_KEEP_JOBS_DAYS", "9")
    assert re.search(r"would be forgotten:\n +jobs +1\n", run("purge", "--dry-run").stdout)
    assert store.jobs.get(job.id).id == job.id
    assert re.search(r"^forgotten:\n +jobs +1\n", run("purge").stdout)
    assert re.search(r"jobs +0\n", run("purge").stdout)


def test_doctor_is_content_where_all_is_there(settings):
    write_toy_store(settings.model_store)
    told = run("doctor").stdout
    assert TOY_VERSION in told
    assert "anybody on this machine" in told


def test_doctor_names_what_is_missing(settings, monkeypatch):
    write_toy_store(settings.model_store)
    (settings.model_store / TOY_VERSION / "basis.safetensors").write_bytes(b"changed")
    monkeypatch.setenv("FIBERLESS_ACCESS", "keys")
    monkeypatch.setenv("FIBERLESS_REDIS_URL", "redis+socket:///nowhere/redis.sock")
    told = run("doctor", exit_code=1).stdout
    assert "basis.safetensors" in told
    assert "fiberless keys create" in told
    assert "does not answer" in told
    assert told.count(" no ") == 3
