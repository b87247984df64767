import pytest

from fiberless.errors import UsageError
from fiberless.service.api_keys import Scope
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from fiberless.service.storage.access_check import refuse_open_access


@pytest.mark.parametrize(
    "told",
    [
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "0.0.0.0", "published_host": "127.0.0.1"},  # noqa: S104  a container
        {"host": "0.0.0.0", "access": "anonymous"},  # noqa: S104  told so
        {"host": "0.0.0.0", "access": "keys"},  # noqa: S104  nobody may call, yet
    ],
)
def test_what_is_safe_or_wanted_starts(tmp_path, told):
    refuse_open_access(Settings(data_dir=tmp_path, **told))


@pytest.mark.parametrize(
    "told",
    [
        {"host": "0.0.0.0"},  # noqa: S104  the case in point
        {"host": "192.0.2.7"},
        {"host": "127.0.0.1", "published_host": "0.0.0.0"},  # noqa: S104  the same through a proxy
    ],
)
def test_others_reach_no_service_without_keys(tmp_path, told):
    settings = Settings(data_dir=tmp_path, **told)
    with pytest.raises(UsageError, match="fiberless keys create"):
        refuse_open_access(settings)
    store = open_store(settings)
    key, _ = store.keys.create("alice", scopes={Scope.READ})
    refuse_open_access(settings)
    store.keys.revoke(key.id)
    store.close()
    with pytest.raises(UsageError, match="FIBERLESS_ACCESS=anonymous"):
        refuse_open_access(settings)


@pytest.mark.parametrize(
    ("told", "needs_keys", "limit"),
    [
        ({}, False, 0),
        ({"access": "keys"}, True, 600),
        ({"host": "192.0.2.7"}, True, 600),
        ({"host": "192.0.2.7", "access": "anonymous"}, False, 600),
        ({"host": "192.0.2.7", "rate_limit_per_minute": 0}, True, 0),
        ({"rate_limit_per_minute": 9}, False, 9),
    ],
)
def test_keys_and_limits_are_needed_where_others_can_call(told, needs_keys, limit):
    settings = Settings(**told)
    assert (settings.needs_keys, settings.resolved_rate_limit_per_minute) == (needs_keys, limit)
