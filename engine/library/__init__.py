"""The reviewed library: passages and exercises in Chinese and English, and the generator that answers from them."""

from engine.library.data import Exercise, LibraryError
from engine.library.generator import LibraryGenerator
from engine.library.library import Library, load_library

__all__ = ["Exercise", "Library", "LibraryError", "LibraryGenerator", "load_library"]
