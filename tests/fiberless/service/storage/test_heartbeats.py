def test_a_worker_not_seen_for_an_hour_is_forgotten(store, let_pass):
    store.heartbeats.beat("predict", "old")
    let_pass(seconds=3700)
    store.heartbeats.beat("predict", "young")
    assert store.heartbeats.recent()[1].age_seconds > 3600
    store.leases.sweep(max_attempts=3, resend_after_seconds=5)
    assert [beat.worker_id for beat in store.heartbeats.recent()] == ["young"]


def test_a_heartbeat_is_seen_by_others_and_kept_once_a_worker(store, second_store):
    store.heartbeats.beat("predict", "predict-1")
    store.heartbeats.beat("predict", "predict-1")
    store.heartbeats.beat("fetch", "fetch-1")
    seen = second_store.heartbeats.recent()
    assert sorted((beat.worker_kind, beat.worker_id) for beat in seen) == [
        ("fetch", "fetch-1"),
        ("predict", "predict-1"),
    ]
    assert all(0 <= beat.age_seconds < 60 for beat in seen)
