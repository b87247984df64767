import os

from fiberless.process_pool import process_pool


def test_children_have_one_thread_and_the_caller_keeps_its_own(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with process_pool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_caller_s_choice_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with process_pool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "3"
    assert os.environ["OMP_NUM_THREADS"] == "3"
