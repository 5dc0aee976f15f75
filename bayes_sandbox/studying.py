"""What the command `study` does: find the experiment, run it, keep it, print what it found."""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from .checkpoints import Checkpoints
from .errors import UserError, suggestion
from .folders import STUDY_KIND, RunFolder
from .identity import code_identity, file_identity, model_identity
from .report.structure import StructureError, check_structure, read_document
from .report.study import PAGE, STUDY, write_study
from .running import begin_checkpoints, load_model, open_folder, use_cache
from .scripts import parse_settings
from .standard_output import results_only
from .studies import find_study

ASKED = "study-settings.json"
NOTHING: dict[str, Any] = {"seed": 0, "fast": False, "script": None, "settings": {}}  # when nothing is asked for
ASKED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["study", *NOTHING],
    "properties": {
        "study": {"type": "string"},
        "seed": {"type": "integer"},
        "fast": {"type": "boolean"},
        "script": {"type": ["string", "null"]},
        "settings": {"type": "object"},
    },
}
# Arguments of a study that have an option of their own.
OWN = ("model", "seed", "fast", "checkpoints", "executor", "progress")


def run_study(name: str, script: Path | None, options: dict[str, Any]) -> int:
    """Run one study, keep it in its folder, print the result; return the exit code."""
    function = find_study(name)
    settings = _settings(name, function, parse_settings(options["settings"]))
    asked = {"seed": options["seed"], "fast": options["fast"], "script": script and str(script), "settings": settings}
    asked = json.loads(json.dumps(asked))  # as it will be read again
    path = options["resume"] or options["out"] or Path("runs") / f"study-{name}"
    with results_only() as output:
        if not options["no_cache"]:
            use_cache()
        if options["resume"]:
            asked = _continued(name, function, asked, path)
        model = _model(name, function, asked["script"])
        with open_folder(path, STUDY_KIND, resume=bool(options["resume"]), force=options["force"]) as folder:
            found = _run_in(folder, function, model, name, asked, options)
            page = write_study(found.to_dict(), folder)
        if options["as_json"]:
            click.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False), output)
        else:
            click.echo(found.summary() + f"page: {page}", output)
    return 0


def _run_in(
    folder: RunFolder,
    function: Callable[..., Any],
    model: Any,
    name: str,
    asked: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    """Run a study with the checkpoints of its folder."""
    folder.check_free((ASKED, STUDY, PAGE))
    workers = _workers(name, function, options["workers"])
    folder.write(ASKED, json.dumps({"study": name, **asked}, sort_keys=True))
    return function(
        **({} if model is None else {"model": model}),
        **workers,
        **asked["settings"],
        seed=asked["seed"],
        fast=asked["fast"],
        checkpoints=_checkpoints(folder, model, name, asked, resume=bool(options["resume"])),
        progress=not options["no_progress"] and sys.stderr.isatty(),
    )


def _checkpoints(folder: RunFolder, model: Any, name: str, asked: dict[str, Any], *, resume: bool) -> Checkpoints:
    """Return the checkpoints of this study: those of the study that is resumed, if it asked the same question."""
    script = asked["script"]
    identity = {
        **code_identity(),
        **file_identity("script", script and Path(script)),
        **({} if model is None else model_identity(model)),
        "study": name,
        **{key: json.dumps(asked[key], sort_keys=True) for key in ("seed", "fast", "settings")},
    }
    return begin_checkpoints(folder, identity, resume=resume)


def _continued(name: str, function: Callable[..., Any], asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what the study in a folder was begun with; raise an error if something else is asked for now."""
    kept = _kept(folder)
    if kept["study"] != name:
        raise UserError(f"{folder} holds another study than {name}; give this one a folder of its own")
    if kept["script"] is not None and asked["script"] is None:  # a folder must not decide which code runs
        raise UserError(f"the study in {folder} was begun with the script {kept['script']}; name the script again")
    for key, nothing in NOTHING.items():
        if key != "script" and asked[key] not in (nothing, kept[key]):
            raise UserError(f"{folder} was begun with {key} = {kept[key]}, not {asked[key]}: leave it out to go on")
    settings = _settings(name, function, kept["settings"])
    return {"seed": kept["seed"], "fast": kept["fast"], "script": asked["script"], "settings": settings}


def _kept(folder: Path) -> dict[str, Any]:
    path = folder / ASKED
    if not path.is_file():
        raise UserError(f"{folder} holds no study to continue: it has no {ASKED}; run it without --resume")
    found = read_document(path)
    try:
        check_structure(found, ASKED_SCHEMA, ASKED)
    except StructureError as error:
        raise UserError(f"the study in {folder} is damaged ({error}); run it without --resume") from error
    kept: dict[str, Any] = found
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
