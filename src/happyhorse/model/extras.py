"""Libraries of the optional extra `gpu`: what the 15 B model's codecs and text encoder come from. Imported on first use."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from happyhorse.errors import EngineError


def installed(library: str) -> bool:
    """Whether a library can be imported, without importing it."""
    return find_spec(library) is not None


def require(library: str, submodule: str = "") -> ModuleType:
    """Import a library, or a module of it. Raises: EngineError saying how to install it."""
    if not installed(library):
        raise EngineError(f"{library} is not installed; it comes with: pip install 'happyhorse[gpu]'")
    return import_module(f"{library}.{submodule}" if submodule else library)
