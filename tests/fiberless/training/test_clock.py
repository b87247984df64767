from fiberless.training.clock import Clock


def test_time_adds_up_across_interruptions(tmp_path):
    (tmp_path / "wall_seconds.txt").write_text("100.0\n")
    first = Clock(tmp_path).tick()
    assert 100.0 <= first < 101.0
    assert Clock(tmp_path).tick() >= float(f"{first:.1f}")
