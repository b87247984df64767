"""VOSI availability: whether predictions can be made, as a document of VOSI 1.1."""

from collections.abc import Mapping

from vo_models.vosi.availability.models import Availability

__all__ = ["availability_document"]


def availability_document(checks: Mapping[str, str]) -> bytes:
    """Document from the checks of the service: `ok`, or what is wrong, by the name of what is checked."""
    notes = [f"{name}: {state}" for name, state in checks.items() if state != "ok"]
    document = Availability(available=not notes, note=notes).to_xml(encoding="UTF-8", xml_declaration=True)
    return document if isinstance(document, bytes) else document.encode()
