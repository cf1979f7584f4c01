"""Logs: one line an event, to standard error. Message text is never among the fields."""

import logging
import sys

import structlog

from config.settings import LogSettings

_NOISY = (
    "httpx",
    "httpcore",
    "telegram",
    "uvicorn",
    "uvicorn.error",
    "aiosqlite",
    "apscheduler",
    "nicegui",
    "engineio",
)


def set_up_logs(settings: LogSettings) -> None:
    """Configure structlog and quieten the libraries, whose debug lines hold texts and tokens."""
    level = getattr(logging, settings.level.upper())
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    render = structlog.processors.JSONRenderer() if settings.format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever standard error is at that moment
    )
