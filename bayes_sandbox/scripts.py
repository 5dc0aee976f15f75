"""Model scripts: finding them without running them, loading them, and passing them settings."""

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import UserError, suggestion

DEFINES = ("model", "make_model")


def find_scripts(folder: Path) -> list[tuple[Path, str]]:
    """Return the scripts in a folder that define a model, with the first line of their docstrings."""
    found = []
    for path in sorted(folder.glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
            continue  # not a script that can be read
        if _top_level_names(tree) & set(DEFINES):
            title = (ast.get_docstring(tree) or "").split("\n")[0]
            found.append((path, title))
    return found


def _top_level_names(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return names


def load_script(path: Path) -> Any:
    """Run a script and return it as a module; raise `UserError` with one sentence for whatever goes wrong in it."""
    _require_file(path)
    spec = importlib.util.spec_from_file_location("model_script", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python script; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_script"] = module
    sys.path.insert(0, str(path.parent.resolve()))  # a script may import its neighbours
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise UserError(f"{path}{where}: syntax error: {error.msg}") from error
    except UserError as error:
        raise UserError(f"{path}{_line(error, path)}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script may raise anything, SystemExit included
        text = " ".join(str(error).split())
        raise UserError(f"{path}{_line(error, path)} could not be loaded: {type(error).__name__}: {text}") from error
    finally:
        with suppress(ValueError):  # a script may have removed it
            sys.path.remove(str(path.parent.resolve()))
    return module


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a script in it")
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UserError(f"there is no script {path}{suggestion(path.name, near) if near else ''}")


def _line(error: BaseException, path: Path) -> str:
    """Where in the script an error came from: ' line 12', or nothing."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == path.name]
    return f" line {lines[-1]}" if lines else ""


def model_of(module: Any, path: Path | str, settings: Iterable[str]) -> Any:
    """Return the model a script defines, made with the settings given."""
    values = parse_settings(settings)
    make = getattr(module, "make_model", None)
    if values:
        if not callable(make):
            raise UserError(f"--set needs the script to define make_model(**settings), and {path} does not")
        return _make(make, values)
    if hasattr(module, "model"):
        return module.model
    if callable(make):
        return _make(make, {})
    raise UserError(f"{path} defines neither `model` nor `make_model`; end it with model = bs.Model(...)")


def remake(model: Any, settings: Iterable[str]) -> Any:
    """Return the model of the script that is running, made anew where settings are given."""
    if not parse_settings(settings):
        return model
    return model_of(sys.modules["__main__"], "the script", settings)


def _make(make: Callable[..., Any], values: dict[str, Any]) -> Any:
    known = inspect.signature(make).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for name in values:
        if name not in known and not takes_all:
            raise UserError(f"make_model has no setting {name!r}{suggestion(name, known)}")
    try:
        return make(**values)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"make_model failed: {type(error).__name__}: {' '.join(str(error).split())}") from error


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return NAME=VALUE pairs as Python values: numbers, booleans, lists, else text.

    >>> parse_settings(["scale=2.5", "centred=True", "kind=probit"])
    {'scale': 2.5, 'centred': True, 'kind': 'probit'}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"--set takes NAME=VALUE, got {setting!r}")
        try:
            values[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            values[name.strip()] = text.strip()
    return values
