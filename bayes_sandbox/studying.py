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

ASKED = "study-settings.json"
NOTHING: dict[str, Any] = {"seed": 0, "fast": False, "script": None, "settings": {}}  # when nothing is asked for
# Arguments of a study that have an option of their own.
OWN = ("model", "seed", "fast", "parts", "executor", "progress")


def run_study(name: str, script: Path | None, options: dict[str, Any]) -> int:
    """Run one study, keep it in its folder, print the result; return the exit code."""
    function = find_study(name)
    settings = _settings(name, function, parse_settings(options["settings"]))
    asked = {"seed": options["seed"], "fast": options["fast"], "script": script and str(script), "settings": settings}
    asked = json.loads(json.dumps(asked))  # as it will be read again
    with redirect_stdout(sys.stderr):
        if not options["no_cache"]:
            use_cache()
        if options["resume"]:
            asked = _continued(name, asked, options["resume"])
        model = _model(name, function, asked["script"])
        folder = prepare_folder(options["resume"] or options["out"] or Path("runs") / f"study-{name}")
        if not options["resume"]:
            shutil.rmtree(folder / PARTS, ignore_errors=True)
        (folder / ASKED).write_text(json.dumps({"study": name, **asked}, sort_keys=True))
        data = None if model is None else (Path(asked["script"]).read_bytes(), model.data_sha256)
        found = function(
            **({} if model is None else {"model": model}),
            **_workers(name, function, options["workers"]),
            **asked["settings"],
            seed=asked["seed"],
            fast=asked["fast"],
            parts=FolderParts(folder / PARTS, __version__, name, json.dumps(asked, sort_keys=True), data),
            progress=not options["no_progress"] and sys.stderr.isatty(),
        )
        page = found.report(folder)
    if options["as_json"]:
        click.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        click.echo(found.summary() + f"page: {page}")
    return 0


def _continued(name: str, asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a study in this folder was begun with; refuse where something else is asked for now."""
    try:
        kept = json.loads((folder / ASKED).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no study to continue: it has no {ASKED}; run it without --resume") from error
    if kept.pop("study") != name:
        raise UserError(f"{folder} holds another study than {name}; give this one a folder of its own")
    for key, nothing in NOTHING.items():
        if asked[key] not in (nothing, kept[key]):
            raise UserError(f"{folder} was begun with {key} = {kept[key]}, not {asked[key]}: leave it out to go on")
    return kept


def _settings(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as the function takes them: where it wants several, one is a list of one."""
    known = {k: p for k, p in inspect.signature(function).parameters.items() if k not in OWN}
    for setting in given:
        if setting not in known:
            raise UserError(f"study {name} has no setting {setting!r}{suggestion(setting, known)}: {', '.join(known)}")
    several = {k for k, p in known.items() if any(word in str(p.annotation) for word in ("Sequence", "Iterable"))}
    return {k: _listed(v) if k in several else v for k, v in given.items()}


def _workers(name: str, function: Callable[..., Any], workers: int | None) -> dict[str, Any]:
    if workers is None:
        return {}
    if "executor" not in inspect.signature(function).parameters:
        raise UserError(f"study {name} does its tasks one after another; leave --workers out")
    return {"executor": workers}


def _listed(value: Any) -> list[Any]:
    """Return several values.

    >>> _listed("rates, shares"), _listed("coin"), _listed((1, 2)), _listed(5)
    (['rates', 'shares'], ['coin'], [1, 2], [5])
    """
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return list(value) if isinstance(value, tuple | list) else [value]


def _model(name: str, function: Callable[..., Any], script: str | None) -> Any:
    if script is None:
        return None
    if "model" not in inspect.signature(function).parameters:
        raise UserError(f"study {name} takes no model: it brings its own")
    from .model import require_model

    return require_model(load_model(Path(script), ()))
