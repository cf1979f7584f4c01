"""Calls over HTTP that say how they failed in the words of `adapters.base`. No URL gets into an exception or a log."""

import contextlib
import logging
import re
from collections.abc import Iterator

import httpx

from adapters.base import DeliveryError, OutcomeUnknown, Retryable

_SECRET = re.compile(r"[?&](access_token|corpsecret|key)=")


class _NoSecrets(logging.Filter):
    """Drops records that show a secret: some platforms want them in the query string."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _SECRET.search(record.getMessage())


for _name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
    logging.getLogger(_name).addFilter(_NoSecrets())


@contextlib.contextmanager
def network_faults(what: str) -> Iterator[None]:
    """Turn what a request raises into a DeliveryError that begins with `what`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        fault: DeliveryError = Retryable(f"{what}: no connection ({type(error).__name__})")
    except httpx.HTTPError as error:
        fault = OutcomeUnknown(f"{what}: no answer ({type(error).__name__})")
    except (httpx.InvalidURL, RuntimeError) as error:  # RuntimeError: the client was closed
        fault = Retryable(f"{what}: not sent ({type(error).__name__})")
    else:
        return
    raise fault


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that a server asks us to wait; None if it names none, or a date."""
    named = response.headers.get("retry-after", "")
    return min(float(named), 3600.0) if named.isdigit() else None
