"""The console as a platform for alerts: an alert has arrived when a signed-in counsellor's page has shown it."""

from collections import defaultdict
from collections.abc import Callable

from adapters.base import Address, Capabilities, NoExtras, Receive, Reply, Retryable, Sent, Unit

RETRY_SECONDS = 5.0
"""How soon an alert is tried again while the counsellor has no console open."""

Listener = Callable[[Reply], None]


class ConsoleAdapter(NoExtras):
    """Gives alerts to the open consoles of a counsellor. Address.chat is the counsellor's id."""

    platform = "console"
    account = "desk"
    capabilities = Capabilities(max_length=8000, unit=Unit.CHARACTERS, buttons=True)

    def __init__(self) -> None:
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def connect(self, counsellor: str, listener: Listener) -> Callable[[], None]:
        """Show alerts to `listener` while a console is open. Returns a function that ends it."""
        self._listeners[counsellor].append(listener)
        return lambda: self._listeners[counsellor].remove(listener)

    async def run(self, receive: Receive) -> None:
        """Nothing comes in this way: the console calls the desk directly."""

    async def send(self, address: Address, reply: Reply) -> Sent:
        """Show the alert on every open console of the counsellor. Raises Retryable if there is none."""
        listeners = self._listeners[address.chat]
        if not listeners:
            raise Retryable("the counsellor has no console open", RETRY_SECONDS)
        for listener in tuple(listeners):
            listener(reply)
        return Sent()
