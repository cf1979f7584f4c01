"""Language models behind the Generator interface: in this process, or on an OpenAI-compatible server."""

from config import Settings
from engine.types import Generator

__all__ = ["make_generator"]


def make_generator(settings: Settings) -> Generator | None:
    """The generator that the settings name, not yet started; None where the library answers alone."""
    if settings.generator == "openai":
        from engine.generators.openai import OpenAIGenerator

        return OpenAIGenerator(settings.openai)
    if settings.generator == "transformers":
        from engine.generators.local import LocalGenerator

        return LocalGenerator(settings.transformers)
    return None
