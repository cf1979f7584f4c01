"""What the console's pages work with."""

from dataclasses import dataclass

from adapters.console import ConsoleAdapter
from bot.console.auth import Accounts
from bot.desk import Desk
from bot.followups import FollowUpParts
from bot.page_answers import PageAnswers
from bot.rota import Rota


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the process that the console needs. `alerts` brings pages to open browsers."""

    desk: Desk
    rota: Rota
    page_answers: PageAnswers
    alerts: ConsoleAdapter
    accounts: Accounts
    followups: FollowUpParts
