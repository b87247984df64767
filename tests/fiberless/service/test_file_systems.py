"""The file system of a folder is told from the list of mounts; the doctor warns of those over a network."""

import pytest

from fiberless.service import doctor
from fiberless.service.file_systems import network_file_system
from fiberless.service.settings import Settings

MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home {home} nfs4 rw,vers=4.2 0 0
tmpfs {home}/scratch tmpfs rw 0 0
//server/share {home}/My\\040Share cifs rw 0 0
me@host: {home}/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("data", "nfs4"),
        ("not/there/yet", "nfs4"),
        ("scratch/data", None),
        ("My Share/data", "cifs"),
        ("far", "fuse.sshfs"),
        ("../elsewhere", None),
    ],
)
def test_the_innermost_mount_counts(tmp_path, folder, kind):
    home = tmp_path / "home"
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(home=home))
    assert network_file_system(home / folder, mounts=mounts) == kind


def test_without_a_list_nothing_is_known(tmp_path):
    assert network_file_system(tmp_path, mounts=tmp_path / "none") is None


def test_the_doctor_warns_of_sqlite_on_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "network_file_system", lambda _folder: "nfs4")
    with pytest.raises(doctor.FatalError, match="network file system \\(nfs4\\)"):
        doctor._disk(Settings(data_dir=tmp_path))
    assert "free" in doctor._disk(Settings(data_dir=tmp_path, database_url="postgresql://h/d"))
