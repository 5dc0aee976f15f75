"""What the command `study` does: find the experiment, run it, keep it, print what it found."""

import inspect
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from . import __version__
from .errors import UserError, suggestion
from .parts import FolderParts
from .running import PARTS, load_model, prepare_folder, use_cache
from .scripts import parse_settings
from .studies import find_study

OWN = ("model", "seed", "fast", "parts", "progress")  # arguments of a study that have an option of their own


def run_study(name: str, script: Path | None, options: dict[str, Any]) -> int:
    """Run one study, keep it in its folder, print the result; return the exit code."""
    function = find_study(name)
    settings = _settings(name, function, parse_settings(options["settings"]))
    with redirect_stdout(sys.stderr):
        if not options["no_cache"]:
            use_cache()
        model = _model(name, function, script)
        folder = prepare_folder(options["resume"] or options["out"] or Path("runs") / f"study-{name}")
        if not options["resume"]:
            shutil.rmtree(folder / PARTS, ignore_errors=True)
        identity = (__version__, name, options["seed"], options["fast"], sorted(settings.items()))
        data = None if model is None else (script.read_bytes() if script else b"", model.data_sha256)
        progress = not options["no_progress"] and sys.stderr.isatty()
        found = function(
            **({} if model is None else {"model": model}),
            **settings,
            seed=options["seed"],
            fast=options["fast"],
            parts=FolderParts(folder / PARTS, *identity, data),
            progress=progress,
        )
        page = found.report(folder)
    if options["as_json"]:
        click.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        click.echo(found.summary() + f"page: {page}")
    return 0


def _settings(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as the function takes them: where it wants several, one is a list of one."""
    known = {k: p for k, p in inspect.signature(function).parameters.items() if k not in OWN}
    for setting in given:
        if setting not in known:
            raise UserError(f"study {name} has no setting {setting!r}{suggestion(setting, known)}: {', '.join(known)}")
    several = {k for k, p in known.items() if any(word in str(p.annotation) for word in ("Sequence", "Iterable"))}
    return {k: _listed(v) if k in several else v for k, v in given.items()}


def _listed(value: Any) -> list[Any]:
    """Return several values.

    >>> _listed("rates,shares"), _listed("coin"), _listed((1, 2)), _listed(5)
    (['rates', 'shares'], ['coin'], [1, 2], [5])
    """
    if isinstance(value, str):
        return value.split(",")
    return list(value) if isinstance(value, tuple | list) else [value]


def _model(name: str, function: Callable[..., Any], script: Path | None) -> Any:
    if script is None:
        return None
    if "model" not in inspect.signature(function).parameters:
        raise UserError(f"study {name} takes no model: it brings its own")
    from .model import require_model

    return require_model(load_model(script, ()))
