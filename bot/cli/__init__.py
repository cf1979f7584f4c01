"""The command line: `psyllm`."""

from bot.cli.main import main

__all__ = ["main"]
