"""Pages by e-mail, through the operator's mail server. The first line of a text is the subject."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from adapters.base import (
    Address,
    Capabilities,
    DeliveryError,
    Health,
    NoExtras,
    OutcomeUnknown,
    Receive,
    Rejected,
    Reply,
    Retryable,
    Sent,
    Unit,
)
from config.settings import EmailSettings

_SUBJECT = 120


class EmailAdapter(NoExtras):
    """Sends to `targets`, mail addresses by the Address.chat that stands for them.

    `tls` replaces the system's trusted certificates.
    """

    platform = "email"
    account = "smtp"
    capabilities = Capabilities(max_length=20_000, unit=Unit.CHARACTERS)

    def __init__(self, settings: EmailSettings, targets: Mapping[str, str], tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._targets = targets
        self._tls = tls
        self._health = Health()

    async def run(self, receive: Receive) -> None:
        """Nothing comes in this way."""
        await asyncio.Event().wait()

    async def send(self, address: Address, reply: Reply) -> Sent:
        if not (target := self._targets.get(address.chat)):
            raise Rejected("this counsellor has no e-mail address any more")
        message = self._message(target, reply)
        async with self._connected() as server:
            await _submit(server, message)
        self._health = Health(last_contact=datetime.now(UTC))
        return Sent(str(message["Message-ID"]))

    async def check(self) -> None:
        """Connect and sign in, and send nothing. Raises a DeliveryError that says what to mend."""
        async with self._connected():
            pass

    def health(self) -> Health:
        return self._health

    def _message(self, target: str, reply: Reply) -> EmailMessage:
        subject, _, _ = reply.text.strip().partition("\n")
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = target
        message["Subject"] = subject[:_SUBJECT]
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2].strip("> ") or "localhost")
        message["Auto-Submitted"] = "auto-generated"
        message["Importance"] = "high"
        message.set_content(reply.text)
        return message

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A signed-in connection. A fault up to here is certainly nobody's mail, so each is Retryable."""
        settings = self._settings
        server = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            username=settings.username or None,
            password=settings.password.get_secret_value() if settings.password else None,
            timeout=settings.timeout_seconds,
            tls_context=self._tls,
            local_hostname="localhost",
        )
        try:
            await server.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            server.close()
            self._health = Health(False, _advice(error), self._health.last_contact)
            raise Retryable(self._health.detail) from None
        try:
            yield server
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await server.quit()
            server.close()


async def _submit(server: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """Hand a message over, or raise a DeliveryError."""
    fault: DeliveryError
    try:
        await server.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        fault = _refused(error.recipients[0].code if error.recipients else 550, "the recipient")
    except aiosmtplib.SMTPResponseException as error:
        fault = _refused(error.code, "the message")
    except aiosmtplib.SMTPNotSupported:
        fault = Rejected("the mail server cannot take this message")
    except (aiosmtplib.SMTPException, OSError) as error:
        fault = OutcomeUnknown(f"the mail server did not answer ({type(error).__name__})")
    except ValueError as error:
        fault = Rejected(f"the message cannot be written ({type(error).__name__})")
    else:
        return
    raise fault


def _refused(code: int, what: str) -> DeliveryError:
    """RFC 5321, 4.2.1: 4xx may be tried again, 5xx may not."""
    if 400 <= code < 500:
        return Retryable(f"the mail server refused {what} for now ({code})")
    return Rejected(f"the mail server refused {what} ({code})")


def _advice(error: Exception) -> str:
    """What went wrong on the way in, and what to do. The server's own words may hold an address, so they are left."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"the mail server refused the sign-in ({error.code}); check email.username and email.password"
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return "the mail server's certificate is not valid for email.host; check email.host and email.security"
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        return f"the mail server does not offer what is set ({type(error).__name__}); check email.security"
    return f"the mail server cannot be reached ({type(error).__name__}); check email.host, email.port, email.security"
