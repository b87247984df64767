"""Which file system a folder lies on, and whether SQLite's write-ahead log works there."""

from pathlib import Path
from typing import Final

__all__ = ["network_file_system"]

_TYPE: Final = 2
"""Place of the type in a line: device, folder, type."""
_MOUNTS: Final = Path("/proc/self/mounts")
_OF_A_NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs3",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
    }
    | {"beegfs", "9p", "orangefs", "pvfs2", "panfs", "davfs", "ocfs2", "gfs2", "fuse.glusterfs", "fuse.sshfs"}
    | {"fuse.s3fs", "fuse.rclone", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs2"}
)


def network_file_system(folder: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Type of the network file system that a folder lies on; None if it lies on a local one.

    SQLite's write-ahead log needs memory that all its processes share: over a network it fails, or loses data
    (https://www.sqlite.org/wal.html, section 1). Where the system has no list of mounts, none is known.

    Parameters
    ----------
    folder : need not exist yet
    mounts : list of mounts in the form of fstab

    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    rows = [line.split() for line in lines]
    places = [(Path(_unescaped(words[1])), words[2]) for words in rows if len(words) > _TYPE]
    resolved = folder.resolve()
    over = [(place, kind) for place, kind in places if resolved.is_relative_to(place)]
    if not over:
        return None
    longest = max(len(place.parts) for place, _ in over)
    kind = [kind for place, kind in over if len(place.parts) == longest][-1]
    return kind if kind.lower() in _OF_A_NETWORK else None


def _unescaped(text: str) -> str:
    """Path of a list of mounts: blanks, tabs and backslashes stand in octal there."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
