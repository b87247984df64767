import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORED = ROOT / "tests" / "fiberless" / "contract" / "stored" / "prediction-1.0.json"


def _compare(after: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/same_numbers.py", str(STORED), str(after)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_document_is_the_same_in_the_words_of_both_schemas(tmp_path):
    document = json.loads(STORED.read_text())
    document["schema"] = "2.0"
    renamed = {"stellar_mass": "log_stellar_mass", "sfr": "log_sfr", "ssfr": "log_ssfr", "ebv": "ebv_stars"}
    old = document["properties"]
    document["properties"] = {
        renamed.get(name, name).replace("lg_", "log_"): value for name, value in old.items()
    }
    for candidate in document["candidates"]:
        del candidate["href"]
    (tmp_path / "after.json").write_text(json.dumps(document))
    done = _compare(tmp_path / "after.json")
    assert done.returncode == 0, done.stdout
    assert "largest relative difference 0 " in done.stdout


def test_a_number_that_moved_is_found(tmp_path):
    document = json.loads(STORED.read_text())
    document["properties"]["dn4000"]["value"] *= 1 + 1e-5
    (tmp_path / "after.json").write_text(json.dumps(document))
    done = _compare(tmp_path / "after.json")
    assert done.returncode == 1
    assert "/properties/dn4000/value" in done.stdout
