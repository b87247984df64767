import json

from fiberless.training.run import Clock


def test_time_goes_on_where_an_earlier_run_stopped(tmp_path):
    (tmp_path / "clock.json").write_text('{"wall_seconds": 100.0, "core_seconds": 50.0}')
    clock = Clock(tmp_path)
    clock.tick()
    written = json.loads((tmp_path / "clock.json").read_text())
    assert 100.0 <= written["wall_seconds"] <= clock.seconds + 0.1
    assert 50.0 <= written["core_seconds"] <= clock.core_seconds + 0.1
    assert clock.seconds < 200.0


def test_a_new_run_begins_at_zero(tmp_path):
    clock = Clock(tmp_path)
    assert 0.0 <= clock.seconds < 60.0
    assert 0.0 <= clock.core_seconds < 60.0
