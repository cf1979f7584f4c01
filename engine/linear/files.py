"""Model files: numpy's own format with a JSON header, without pickle."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ModelError(ValueError):
    """A model file cannot be used. The message says why."""


def save_arrays(path: Path, form: int, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a model file of format `form`. The same model gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        parts = {"header": np.frombuffer(json.dumps({"format": form, **header}).encode(), np.uint8), **arrays}
        for name, array in parts.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (2020, 1, 1, 0, 0, 0)), "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def load_arrays(path: Path, form: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the arrays of a model file. Raises ModelError where it is missing, broken, or of another format
    than `form`."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(bytes(arrays.pop("header")))
        found = header["format"]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
    if found != form:
        raise ModelError(f"{path.name} has format {found}, not {form}")
    return header, arrays
