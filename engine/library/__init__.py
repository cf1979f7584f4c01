"""The reviewed library: passages and exercises in Chinese and English, and the generator that answers from them."""

from engine.library.data import Exercise, LibraryError
from engine.library.generator import LibraryGenerator
from engine.library.library import Library, load_library
from engine.library.recall import Recalled, recall

__all__ = ["Exercise", "Library", "LibraryError", "LibraryGenerator", "Recalled", "load_library", "recall"]
