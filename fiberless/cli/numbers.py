"""Reads options that give a version of a model a number of its own, VERSION=N."""

from collections.abc import Sequence

import typer

__all__ = ["numbers_by_version"]


def numbers_by_version(told: Sequence[str], versions: Sequence[str], *, option: str) -> dict[str, int]:
    """Numbers from 2 by version.

    Parameters
    ----------
    told : texts VERSION=N
    versions : those that may be named
    option : for messages

    Raises
    ------
    typer.BadParameter
        For a text that is not VERSION=N, or another version.

    """
    wanted = {}
    for text in told:
        version, _, n = text.rpartition("=")
        if version not in versions or not n.isdecimal() or int(n) < 2:
            fault = f"{text!r} is not one of {', '.join(versions)}, = and a number from 2"
            raise typer.BadParameter(fault, param_hint=option)
        wanted[version] = int(n)
    return wanted
