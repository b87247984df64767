import pytest

from app.__main__ import main


def test_a_service_that_others_reach_does_not_start_without_keys(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("FIBERLESS_HOST", "0.0.0.0")  # noqa: S104  the case in point
    monkeypatch.setenv("FIBERLESS_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(fd=None)
    assert ended.value.code == 2
    assert "fiberless keys create" in caplog.text
