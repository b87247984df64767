from fiberless.training.log import StageLog


def test_a_log_goes_on_after_its_checkpoint_without_doubled_or_torn_rows(tmp_path):
    path = tmp_path / "stage.csv"
    path.write_text("step,loss,validation,seconds\n10,3,3.5,7.0\n20,2,2.5,14.0\n30,1.5,2,21.0\n40,1.")
    log = StageLog(path, done=20)
    assert path.read_text() == "step,loss,validation,seconds\n10,3,3.5,7.0\n20,2,2.5,14.0\n"
    log.add(30, 1.25, 1.75)
    assert [row.step for row in log.rows] == [10, 20, 30]
    assert path.read_text().splitlines()[-1].startswith("30,1.25,1.75,14.")
    assert [row.step for row in StageLog(path, done=30).rows] == [10, 20, 30]


def test_a_stage_that_starts_anew_has_an_empty_log(tmp_path):
    path = tmp_path / "stage.csv"
    path.write_text("step,loss,validation,seconds\n10,3,3.5,7.0\n")
    assert StageLog(path, done=0).rows == []
    assert path.read_text().split() == ["step,loss,validation,seconds"]
