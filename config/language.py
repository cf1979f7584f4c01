"""The languages and scripts the bot serves."""

from enum import StrEnum


class Language(StrEnum):
    """A language in which every text of the bot exists."""

    ZH = "zh"
    EN = "en"


class Script(StrEnum):
    """How a user writes. The bot's Chinese texts are kept in simplified characters and converted."""

    LATIN = "latin"
    HANS = "hans"
    HANT = "hant"
