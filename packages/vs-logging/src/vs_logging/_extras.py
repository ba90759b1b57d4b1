"""Optional installs, imported when they are needed."""

from importlib import import_module
from typing import Any


def optional_module(name: str, extra: str) -> Any:
    """Import a module of the optional install ``extra``.

    Raises:
        ImportError: It is not installed; the message has the command.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"this needs {extra}, which is not installed: pip install 'vs-logging[{extra}]'"
        ) from error
