import pytest
from sqlalchemy import select, update

from fiberless.errors import UsageError
from fiberless.service.api_keys import Scope, Token
from fiberless.service.storage.schema import API_KEY


def set_times(store, key, **times):
    with store.database.write() as connection:
        connection.execute(update(API_KEY).where(API_KEY.c.id == key.id).values(times))


def test_a_key_is_recognised_by_its_whole_token(store):
    key, token = store.keys.create("alice", scopes={Scope.READ, Scope.SUBMIT}, note="laptop")
    found = store.keys.recognise(token)
    assert (found.id, found.owner, found.scopes) == (key.id, "alice", {Scope.READ, Scope.SUBMIT})
    assert store.keys.recognise(Token(token.id, "0" * 48)) is None
    assert store.keys.recognise(Token("0" * 16, token.secret)) is None


def test_the_secret_is_stored_nowhere(store):
    _, token = store.keys.create("alice", scopes={Scope.READ})
    with store.database.read() as connection:
        row = connection.execute(select(API_KEY)).one()
    assert token.secret not in str(row)
    assert row.secret_sha256 == token.secret_sha256


def test_a_revoked_key_is_worth_nothing_at_once_and_for_ever(store, second_store):
    key, token = store.keys.create("alice", scopes={Scope.READ})
    first = second_store.keys.revoke(key.id).revoked
    assert store.keys.recognise(token) is None
    assert store.keys.revoke(key.id).revoked == first is not None


def test_an_expired_key_is_worth_nothing(store):
    key, token = store.keys.create("alice", scopes={Scope.READ}, expires_days=1)
    assert store.keys.recognise(token).expires is not None
    set_times(store, key, expires=1.0)
    assert store.keys.recognise(token) is None


def test_whether_anybody_could_call(store):
    assert not store.keys.has_active()
    key, _ = store.keys.create("alice", scopes={Scope.READ}, expires_days=1)
    assert store.keys.has_active()
    set_times(store, key, expires=1.0)
    assert not store.keys.has_active()
    other, _ = store.keys.create("bob", scopes={Scope.READ})
    store.keys.revoke(other.id)
    assert not store.keys.has_active()


def test_use_is_noted_coarsely(store):
    key, token = store.keys.create("alice", scopes={Scope.READ})
    store.keys.recognise(token)
    (noted,) = store.keys.all()
    store.keys.recognise(token)
    assert store.keys.all() == [noted]
    assert noted.last_used >= key.created
    set_times(store, key, last_used=1.0)
    store.keys.recognise(token)
    assert store.keys.all()[0].last_used >= key.created


@pytest.mark.parametrize(
    ("owner", "wishes"),
    [
        ("", {}),
        ("a b", {}),
        ("-a", {}),
        ("a" * 65, {}),
        ("alice\n", {}),
        ("alice", {"scopes": ()}),
        ("alice", {"expires_days": 0}),
        ("alice", {"expires_days": float("nan")}),
        ("alice", {"note": "x" * 129}),
        ("alice", {"note": "two\nlines"}),
    ],
)
def test_what_cannot_be_a_key_is_refused(store, owner, wishes):
    with pytest.raises(UsageError, match="invalid-parameter"):
        store.keys.create(owner, **({"scopes": {Scope.READ}} | wishes))
    assert store.keys.all() == []


def test_an_unknown_key_cannot_be_revoked(store):
    with pytest.raises(UsageError, match="not-found"):
        store.keys.revoke("0" * 16)
