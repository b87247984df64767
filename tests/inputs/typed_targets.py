"""Targets by hand: what a person types into the page, the command line or a request."""

from functools import partial

from app.submission_input import PredictionBody
from fiberless.targets.by_hand import read_target
from tests.inputs.situation import Situation

TITLE = "Targets by hand"


def told(text):
    target = read_target(text)
    if target.position is None:
        return f"name {target.object_id}"
    return "at {:.4f} {:+.4f}".format(*target.position)


def of_body(target):
    found = PredictionBody.model_validate({"target": target}, strict=True).target
    return "at {:.4f} {:+.4f}".format(*found.position)


def typed(text, how="at 38.3550 -0.1556"):
    return Situation(f"`{text}`", "read", how, partial(told, text))


SITUATIONS = [
    typed("02:33:25.2 -00:09:20"),
    typed("02:33:25.2, -00:09:20"),
    typed("02:33:25.2-00:09:20"),
    typed("02 33 25.2 -00 09 20"),
    typed("2h33m25.2s -0d09m20s"),
    typed("2h33m25.2s, -0°09′20″"),
    typed("38.355 -0.156", "at 38.3550 -0.1560"),
    typed("38.355,-0.156", "at 38.3550 -0.1560"),
    typed("38.355 0.156", "at 38.3550 +0.1560"),
    typed("38.355d -0.156d", "at 38.3550 -0.1560"),
    typed("RA=38.355 Dec=-0.156", "at 38.3550 -0.1560"),
    typed("(38.355, \N{MINUS SIGN}0.156)", "at 38.3550 -0.1560"),
    typed("360 0", "at 0.0000 +0.0000"),
    typed("SDSS J023325.21-000920.5", "at 38.3550 -0.1557"),
    typed("J023325.21-000920.5", "at 38.3550 -0.1557"),
    typed("sdss:1237648720693755918", "name sdss:1237648720693755918"),
    typed("1237648720693755918", "name 1237648720693755918"),
    typed("NGC 1068", "name NGC 1068"),
    typed("[VV2006] J1", "name [VV2006] J1"),
    typed("3C 273", "name 3C 273"),
    typed("2MASX J02332521-0009205", "name 2MASX J02332521-0009205"),
    Situation(
        "ra and dec of a request as text",
        "read",
        "at 38.3550 -0.1556",
        partial(of_body, {"ra": "02:33:25.2", "dec": "-00:09:20"}),
    ),
    Situation(
        "target of a request as text", "read", "at 38.3550 -0.1556", partial(of_body, "02:33:25.2 -00:09:20")
    ),
    Situation(
        "`38.355 -95`", "refused", "invalid-coordinates: ra is from 0 to 360", partial(told, "38.355 -95")
    ),
    Situation(
        "`02:33:25.2`",
        "refused",
        "invalid-coordinates: '02:33:25.2' is not read as a position",
        partial(told, "02:33:25.2"),
    ),
    Situation(
        "`25:61:00 0`", "refused", "invalid-coordinates: ra has 60 minutes", partial(told, "25:61:00 0")
    ),
    Situation(
        "`38.355` alone", "refused", "invalid-coordinates: 38.355 is one number", partial(told, "38.355")
    ),
    Situation(
        "`NGC/1068`", "refused", "invalid-object-id: neither a position nor a name", partial(told, "NGC/1068")
    ),
]
