"""`load_model`: a model in this process, which predicts as a service does. Loads torch when it is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from fiberless.client import Image
from fiberless.contract import DEFAULT_CANDIDATES, Prediction, PredictionOptions, PredictionRequest
from fiberless.contract.manifest import Manifest
from fiberless.contract.model_stores import find_version
from fiberless.contract.prediction import Selection
from fiberless.errors import UsageError
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout

if TYPE_CHECKING:
    from fiberless.inference.predictor import Predictor

__all__ = ["HduList", "LocalImage", "Model", "load_model"]

_DEFAULT: Final = "default"


class HduList(Protocol):
    """What an `HDUList` of astropy is to us, who do not load astropy for it."""

    def writeto(self, fileobj: Any) -> None:
        """Write the file."""


LocalImage: TypeAlias = Image | npt.NDArray[Any] | HduList
"""What a client takes, or an array (5, H, W) in nanomaggies, or an open FITS file."""


@dataclass(frozen=True, eq=False)
class Model:
    """One model version in memory; `load_model` makes it.

    Parameters
    ----------
    predictor : what does the work

    Examples
    --------
    >>> import fiberless
    >>> model = fiberless.load_model("default")
    >>> model.version in repr(model)
    True
    >>> model.manifest.bands
    ('u', 'g', 'r', 'i', 'z')

    """

    predictor: "Predictor"

    def __repr__(self) -> str:
        return f"<Model {self.version} of family {self.manifest.family}>"

    @property
    def manifest(self) -> Manifest:
        """What the version says of itself, from training data and promised range to hashes."""
        return self.predictor.manifest

    @property
    def version(self) -> str:
        """Name of the version."""
        return self.manifest.version

    def predict(
        self,
        image: LocalImage,
        *,
        seed: int = 0,
        n_candidates: int = DEFAULT_CANDIDATES,
        ebv: float | None = None,
        object_id: str | None = None,
        steps: int | None = None,
        select: Selection = "representative",
    ) -> Prediction:
        """Predict the spectrum of one galaxy: the document that a service returns for the same image.

        Parameters
        ----------
        image : image of one galaxy
            A FITS file (path, bytes or open HDUList), a `Cutout`, an array (5, H, W) in nanomaggies with the
            bands u, g, r, i, z at 0.396 arcsec a pixel, or a mapping from band to file. The central 64×64
            pixels are used; a smaller image is padded with noise. NaN marks invalid pixels.
        seed : of the candidates
            Same image, model, options and seed: same numbers.
        n_candidates : number of spectra drawn, 1 to 256
        ebv : Galactic E(B−V) still in the image, mag
            0 if it was corrected for; None takes that of the image, else of a map at its position.
        object_id : your name of the galaxy
        steps : network evaluations, 2 to 250; None takes the version's
        select : which candidate is shown

        Raises
        ------
        UsageError
            What is wrong with the image, or `invalid-parameter` for another option.

        Examples
        --------
        >>> import fiberless
        >>> model = fiberless.load_model("default")
        >>> prediction = model.predict("examples/galaxy.fits", seed=1, n_candidates=4, object_id="demo:1")
        >>> prediction.kind, prediction.object.object_id
        ('predicted-spectrum', 'demo:1')
        >>> len(prediction.candidates), len(prediction.to_table())
        (4, 4500)
        >>> 0.05 < prediction.properties.redshift.value < 0.15
        True

        """
        given = {
            "seed": seed,
            "n_candidates": n_candidates,
            "ebv": ebv,
            "object_id": object_id,
            "steps": steps,
            "select": select,
        }
        request = PredictionRequest(_cutout(image), _options(given))
        (result,) = self.predictor.predict([request])
        return result.prediction


def load_model(version: str = _DEFAULT, *, device: str = "auto") -> Model:
    """Load a model version into this process, checked against its hashes. Needs the extra `model`.

    Parameters
    ----------
    version : name of a version
        `default` is the one that `DEFAULT` beside the versions names. They are looked for in the folder
        `FIBERLESS_MODEL_STORE` if that is set, else beside the package and in the user's own folder, where
        `fiberless models fetch` puts them.
    device : a torch device
        `auto` takes CUDA where there is one.

    Raises
    ------
    UsageError
        `unknown-model` if there is no such version.
    FatalError
        `model-unavailable` if there is none at all, or if a file is missing or altered.
    ModuleNotFoundError
        If torch is not installed; it says what to install.

    Examples
    --------
    >>> import fiberless
    >>> fiberless.load_model("default", device="cpu").manifest.redshift_range
    (0.05, 0.15)

    """
    store, found = find_version(None if version == _DEFAULT else version)
    try:
        from fiberless.inference.predictor import load_predictor  # noqa: PLC0415  # torch, in an extra
    except ModuleNotFoundError as error:
        detail = "a model in this process needs the extra: pip install 'fiberless[model]'"
        raise ModuleNotFoundError(detail, name=error.name) from error
    return Model(load_predictor(store, found, device=device))


def _options(given: Mapping[str, Any]) -> PredictionOptions:
    try:
        return PredictionOptions.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors())
        raise UsageError("invalid-parameter", wrong) from error


def _cutout(image: LocalImage) -> Cutout:
    """The image through the same gate as a file that is sent to a service."""
    from fiberless.images.fits.read import read_band_files, read_cutout, write_cutout  # noqa: PLC0415  # astropy

    match image:
        case Cutout() if image.flux_nmgy.shape[1:] == (CUTOUT_PIXELS, CUTOUT_PIXELS):
            return image
        case Cutout():
            return read_cutout(write_cutout(image))
        case Mapping():
            return read_band_files({band: _bytes(file) for band, file in image.items()})
        case bytes() | str() | Path():
            return read_cutout(_bytes(image))
        case np.ndarray():
            return read_cutout(_cube(image), name="array")
        case _ if hasattr(image, "writeto"):
            return read_cutout(_written(image), name="HDUList")
        case _:
            raise UsageError("invalid-parameter", f"a {type(image).__name__} is no image of a galaxy")


def _bytes(file: str | Path | bytes) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _cube(array: npt.NDArray[Any]) -> bytes:
    """FITS file of an array (5, H, W)."""
    from astropy.io import fits  # noqa: PLC0415  # slow to load

    return _written(fits.HDUList([fits.PrimaryHDU(np.asarray(array, dtype=np.float32))]))


def _written(hdus: HduList) -> bytes:
    stream = BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()
