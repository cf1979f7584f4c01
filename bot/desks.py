"""Where counsellors are reached, and whose desk an address is."""

from dataclasses import dataclass

from adapters import Address
from config import Counsellor, Roster
from config.channels import Channel

CONSOLE = "console"
_ACCOUNTS = {Channel.WECOM: "app", Channel.WEBHOOK: "hook", Channel.EMAIL: "smtp", Channel.CONSOLE: "desk"}


@dataclass(slots=True)
class Desks:
    """Where counsellors are reached. `telegram_account` is the bot's own id there, empty without Telegram."""

    roster: Roster  # the one in force; `Rota` exchanges it when somebody changes it
    telegram_account: str

    @property
    def channels(self) -> frozenset[Channel]:
        """What can be used here: everything but Telegram without an account."""
        return frozenset(c for c in Channel if c is not Channel.TELEGRAM or self.telegram_account)

    def address(self, counsellor: Counsellor, channel: Channel) -> Address | None:
        """Where a channel reaches a counsellor; None if it does not. Adapters know what stands behind the id."""
        if channel not in counsellor.reachable or channel not in self.channels:
            return None
        if channel is Channel.TELEGRAM:
            return Address("telegram", self.telegram_account, str(counsellor.telegram))
        return Address(channel.value, _ACCOUNTS[channel], counsellor.id)

    def addresses(self, counsellor: Counsellor) -> list[Address]:
        """Where a counsellor at work looks: their chat, and the console last."""
        found = [self.talk_address(counsellor), Address(CONSOLE, "desk", counsellor.id)]
        return [address for address in found if address]

    def talk_address(self, counsellor: Counsellor) -> Address | None:
        """The chat in which a counsellor can talk with a user, outside the console."""
        return self.address(counsellor, Channel.TELEGRAM)

    def counsellor_at(self, address: Address) -> Counsellor | None:
        """The counsellor whose desk this address is; None for a user's."""
        if address.platform != "telegram" or not address.chat.lstrip("-").isdigit():
            return None
        return self.roster.by_telegram(int(address.chat))
