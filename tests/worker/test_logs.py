import json
import subprocess
import sys

SCRIPT = """
import logging, structlog
from worker.logs import configure_logs
configure_logs({log_format!r})
structlog.get_logger("mine").warning("job failed", detail="two\\nlines")
logging.getLogger("theirs").info("from %s", "elsewhere\\r\\nforged")
"""


def _lines(log_format):
    command = [sys.executable, "-c", SCRIPT.format(log_format=log_format)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()


def test_json_logs_are_one_object_a_line_whoever_writes():
    mine, theirs = (json.loads(line) for line in _lines("json"))
    assert (mine["event"], mine["level"], mine["detail"]) == ("job failed", "warning", "two\nlines")
    assert (theirs["event"], theirs["logger"]) == ("from elsewhere\r\nforged", "theirs")


def test_console_logs_name_the_level():
    lines = _lines("console")
    assert "warning" in lines[0]
    assert "job failed" in lines[0]
