"""What an operator may set, and the reviewed data that comes with the project."""

from config.crisis_lines import CrisisLine, CrisisLines, load_crisis_lines
from config.errors import ConfigError
from config.language import Language, Script
from config.roster import Counsellor, Roster, RosterChange, Step, load_roster
from config.rotations import Leave, Override
from config.settings import Settings, load_settings
from config.texts import Texts, load_other_languages, load_texts

__all__ = [
    "ConfigError",
    "Counsellor",
    "CrisisLine",
    "CrisisLines",
    "Language",
    "Leave",
    "Override",
    "Roster",
    "RosterChange",
    "Script",
    "Settings",
    "Step",
    "Texts",
    "load_crisis_lines",
    "load_other_languages",
    "load_roster",
    "load_settings",
    "load_texts",
]
