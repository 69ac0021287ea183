"""User code by import path, ``module:name``; the working directory is looked in, too."""

import importlib
import os
import sys
from typing import Any

from raygrad.errors import ImportPathError


def load(path: str) -> Any:
    """Imports what a path names.

    Args:
        path: As ``jobs.demo.model:small_cnn``.

    Raises:
        ImportPathError: If there is no such module or name, or the module raises.
    """
    module_name, colon, name = path.partition(":")
    if not colon:
        raise ImportPathError(f'got "{path}"; use module:function')
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            message = f'no module "{error.name}" in {folder} or among the installed packages'
        else:
            message = f'{module_name} needs the package "{error.name}"; install it'
        raise ImportPathError(message) from error
    except Exception as error:
        raise ImportPathError(f"{module_name} raised {described(error)}") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ImportPathError(f'module {module_name} has no "{name}"') from error


def described(error: BaseException) -> str:
    """An error's type and the first line of its message."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
