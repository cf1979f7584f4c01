"""Figures that a change may not worsen, kept in a JSON file: `{"lang:zh": {"recall": 0.7857}, ...}`."""

import json
from collections.abc import Mapping
from pathlib import Path

from config import ConfigError
from engine.screening.evaluate import Figures

MORE_IS_BETTER = (
    "accepted",
    "recall",
    "auroc",
    "recall_at_0_5",
    "recall_at_1",
    "recall_at_5",
    "macro_f1",
    "kappa",
)
LESS_IS_BETTER = ("alarms", "near_miss_alarms", "missed_emergencies", "alarms_at_95", "calibration_error")
_DIGITS = 4

Floor = Mapping[str, Mapping[str, float]]


class FloorError(ConfigError):
    """A floor file cannot be used. The message names the file and what is wrong."""


def read_floor(path: Path) -> Floor:
    """Read a floor file. Raises FloorError."""
    try:
        floor = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FloorError(f"{path}: cannot be read ({error.strerror}); --write-floor makes one") from None
    except ValueError:
        raise FloorError(f"{path}: is not JSON; --write-floor makes a new one") from None
    if not isinstance(floor, dict) or not all(isinstance(kept, dict) for kept in floor.values()):
        raise FloorError(f'{path}: must be an object of groups, like {{"all": {{"recall": 0.9}}}}')
    for group, kept in floor.items():
        for name, value in kept.items():
            if name not in MORE_IS_BETTER + LESS_IS_BETTER or not isinstance(value, int | float):
                known = ", ".join(MORE_IS_BETTER + LESS_IS_BETTER)
                raise FloorError(f"{path}: {group}: {name}: must be a number under one of {known}")
    return floor


def write_floor(path: Path, found: Mapping[str, Figures]) -> None:
    """Keep the present value of what the file keeps; of everything overall where there is no file yet.

    Raises FloorError.
    """
    kept = read_floor(path) if path.exists() else {"all": dict.fromkeys(MORE_IS_BETTER + LESS_IS_BETTER)}
    floor = {
        group: {name: value for name in names if (value := _value(found, group, name)) is not None}
        for group, names in kept.items()
    }
    try:
        path.write_text(json.dumps(floor, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise FloorError(f"{path}: cannot be written ({error.strerror})") from None


def fallen(floor: Floor, found: Mapping[str, Figures]) -> list[str]:
    """What has become worse, a sentence each."""
    return [
        f"{group}: {name} is {value}, and was {kept}"
        for group, figures in floor.items()
        for name, kept in figures.items()
        if (value := _value(found, group, name)) is None or (value < kept if name in MORE_IS_BETTER else value > kept)
    ]


def _value(found: Mapping[str, Figures], group: str, name: str) -> float | None:
    value: float | None = getattr(found[group], name) if group in found else None
    return None if value is None else round(value, _DIGITS)
