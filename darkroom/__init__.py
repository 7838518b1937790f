"""x."""

from app import __version__

__all__ = ["__version__"]
