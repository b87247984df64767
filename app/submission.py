"""`Submission`: what a caller asks for, whichever form it came in."""

import hashlib
import json
from dataclasses import dataclass

from fiberless.contract import PredictionOptions, Target
from fiberless.images.cutout import Cutout

__all__ = ["Submission"]


@dataclass(frozen=True, eq=False)
class Submission:
    """What a caller asks for: an image or a target (exactly one is set), and options as written."""

    cutout: Cutout | None
    target: Target | None
    options: PredictionOptions

    @property
    def sha256(self) -> str:
        """Hash of all that was asked for: the same for the same image, whatever the multipart boundary."""
        cutout = self.cutout
        image = cutout and [cutout.sha256, cutout.ra, cutout.dec, cutout.ebv, *cutout.notes]
        target = self.target and self.target.model_dump(exclude_none=True)
        asked = [image, target, self.options.model_dump(mode="json")]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
