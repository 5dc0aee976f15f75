"""What the commands do: load, compare, keep, print."""

import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import click

from .checkpoints import NO_CHECKPOINTS, Checkpoints, FolderCheckpoints, remove_checkpoints
from .errors import UserError, has_failed
from .folders import RUN_KIND, FolderError, RunFolder, StorageError
from .scripts import load_script, model_of
from .standard_output import results_only

DIAGNOSTICS, DISAGREE = 3, 4
DRAWS, SETTINGS = "draws.nc", "settings.json"
INTERRUPTED = 130  # cli.INTERRUPTED
NAMED_OPTIONS = ("settings", "seed", "num_warmup", "num_samples", "num_chains", "budget")  # that results depend on


def load_model(script: Path, settings: tuple[str, ...]) -> Any:
    """Return the model of a script."""
    return model_of(load_script(script), script, settings)


def run_model(make: Callable[[], Any], file: str, options: dict[str, Any]) -> int:
    """Compare one model's fits, keep the run, print the result; return the exit code."""
    with results_only() as output:  # what a model prints must not get into the document
        if options["resume"]:
            open_folder(options["resume"], RUN_KIND, resume=True, force=False).close()  # before any work is done
        if not options["no_cache"]:
            use_cache()
        from .model import require_model

        model = require_model(make())
        path = options["resume"] or options["out"] or Path("runs") / _folder_name(model.name)
        with open_folder(path, RUN_KIND, resume=bool(options["resume"]), force=options["force"]) as folder:
            return _run_in(folder, model, file, options, output)


def _run_in(folder: RunFolder, model: Any, file: str, options: dict[str, Any], output: TextIO | None) -> int:
    from .report import OUTPUTS, write_run

    folder.check_free((*OUTPUTS, SETTINGS, DRAWS))
    result = _compare(model, file, options, folder)
    document = result.to_dict()
    # Figures take longer than the fits of a small model: numbers come first.
    click.echo(json.dumps(document, indent=1, allow_nan=False) if options["as_json"] else result.summary(), output)
    if output is not None:
        output.flush()
    page = write_run(result, folder)
    if not options["as_json"]:
        click.echo(f"report: {page}", output)
    if result.interrupted:
        click.echo(f"interrupted; --resume {folder.path} goes on from what was finished", err=True)
        return INTERRUPTED
    return _strict_code(result) if options["strict"] else 0


def _compare(model: Any, file: str, options: dict[str, Any], folder: RunFolder) -> Any:
    from .comparison import compare

    evidence = options["evidence"]
    names = None if evidence is None else [] if evidence == "none" else _names(evidence)
    folder.write(SETTINGS, json.dumps({"file": file, "argv": sys.argv[1:]}))
    checkpoints = _checkpoints(model, file, options, folder)
    if not options["no_progress"]:
        _say_costs(model, names, options)
    result = compare(
        model,
        methods=[] if options["methods"] == "none" else _names(options["methods"]),
        evidence=names,
        draws=None if checkpoints.recall("nuts") is not None else _draws(options["draws"]),
        checkpoints=checkpoints,
        num_warmup=options["num_warmup"],
        num_samples=options["num_samples"],
        num_chains=options["num_chains"],
        budget=options["budget"],
        seed=options["seed"],
        progress=not options["no_progress"] and sys.stderr.isatty(),
    )
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return replace(result, settings={**result.settings, "file": file, "command": command})


def _say_costs(model: Any, names: list[str] | None, options: dict[str, Any]) -> None:
    """Say on stderr what each estimator may take, before it runs."""
    from .comparison import has_second_try
    from .evidence import DEFAULT, SECOND_TRY, predict_costs
    from .report.numbers import brief, duration

    wanted = list(DEFAULT if names is None else names)
    if model.improper or not wanted:
        return
    later = has_second_try(model, names, _names(options["methods"]))
    nuts = {name: options[name] for name in ("num_warmup", "num_samples", "num_chains")}
    costs = predict_costs(model, methods=wanted + [SECOND_TRY] * later, budget=options["budget"], **nuts)
    each = [f"{c.method} {brief(c.num_evaluations, 2)} ({duration(c.seconds)})" for c in costs]
    if later:
        each[-1] = f"and only where none of these is trusted {each[-1]}"
    said = f"densities at most, and time for them, compilation apart: {', '.join(each)}"
    click.echo(textwrap.fill(said, 79, subsequent_indent="  "), err=True)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"expected names separated by commas, got {text!r}")
    return names


def _draws(path: Path | None) -> Any:
    """Return the draws of a file that was named."""
    if path is None:
        return None
    if not path.exists():
        raise UserError(f"there is no file {path}")
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except Exception as error:  # HDF5 raises many kinds of errors for a damaged file
        raise UserError(f"{path} is not a netCDF file of draws: {' '.join(str(error).split())[:200]}") from error


class _RunCheckpoints:
    """The checkpoints of a run; draws are also kept as netCDF, for other programs."""

    def __init__(self, checkpoints: Checkpoints, folder: RunFolder):
        self._checkpoints, self._folder = checkpoints, folder

    def recall(self, name: str) -> Any | None:
        return self._checkpoints.recall(name)

    def keep(self, name: str, value: Any) -> None:
        if name == "nuts":
            from .report import netcdf

            with suppress(StorageError):  # the checkpoint will say so
                self._folder.write(DRAWS, netcdf(value.to_datatree()))
        self._checkpoints.keep(name, value)


def _checkpoints(model: Any, file: str, options: dict[str, Any], folder: RunFolder) -> Checkpoints:
    """Return the checkpoints of this run: those of the run that is resumed, if it asked the same question."""
    from .comparison import RECORDS
    from .identity import code_identity, file_identity, model_identity

    identity = {
        **code_identity(),
        **file_identity("script", Path(file)),
        **model_identity(model),
        **{name: str(options[name]) for name in NAMED_OPTIONS},
        **file_identity("draws", options["draws"]),
    }
    checkpoints = begin_checkpoints(folder, identity, RECORDS, resume=bool(options["resume"]))
    return _RunCheckpoints(checkpoints, folder)


def begin_checkpoints(
    folder: RunFolder, identity: dict[str, str], records: tuple[type, ...] = (), *, resume: bool
) -> Checkpoints:
    """Return the checkpoints of a folder for an identity, and say why those of an earlier run do not count."""
    from .identity import changes, is_comparable

    if not resume:
        remove_checkpoints(folder)
    elif not is_comparable(identity):
        click.echo("the density calls Python functions, and these cannot be compared; refitting", err=True)
    elif changed := changes(folder.identity, identity):
        click.echo(f"{folder.path} was computed from something else: {'; '.join(changed)} changed; refitting", err=True)
    folder.set_identity(identity)
    return FolderCheckpoints(folder, identity, records) if is_comparable(identity) else NO_CHECKPOINTS


def _strict_code(result: Any) -> int:
    """Return 3 where diagnostics failed, 4 where methods disagree, else 0."""
    failed = [
        result.nuts is not None and not result.nuts.diagnostics.passed,
        "nuts" in result.skipped or any(has_failed(why) for why in result.skipped.values()),
        result.map is not None and not result.map.converged,
        result.grid is not None and not result.grid.skipped and not result.grid.converged,
    ]
    if any(failed):
        return DIAGNOSTICS
    return DISAGREE if False in (result.agreement.evidence, result.agreement.posterior) else 0


def open_folder(path: Path, kind: str, *, resume: bool, force: bool) -> RunFolder:
    """Return the folder of a run or a study, claimed and locked before any work is done."""
    if not resume:
        return RunFolder.create(path, kind, force=force)
    try:
        return RunFolder.existing(path, kind)
    except FolderError as error:
        raise UserError(f"there is nothing to resume: {error}") from error


def _folder_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "model"


def explain_script(script: Path, settings: tuple[str, ...], form: str) -> int:
    """Print what a script's model is as a regularized loss; return the exit code."""
    from .regularization import explain

    with results_only() as output:
        said = explain(load_model(script, settings))
        click.echo({"text": str(said), "latex": said.latex, "html": said._repr_html_()}[form], output)
    return 0


def redraw_run(folder: Path) -> int:
    """Draw the report of a kept run, or the page of a kept study, again."""
    from .report import redraw
    from .report.study import STUDY, redraw_study

    try:
        is_study = (folder / STUDY).is_file()
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}") from error
    with results_only() as output:
        page = redraw_study(folder) if is_study else redraw(folder)
        click.echo(f"report: {page}", output)
    return 0


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder, at most half a gigabyte of them."""
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "bayes_sandbox" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # no cache is slower, not wrong
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    jax.config.update("jax_compilation_cache_max_size", 2**29)


def check_installation() -> int:
    """Print versions, device and precision, compute one evidence whose value is known; return the exit code."""
    import math

    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist

    from .document import versions
    from .model import Model
    from .quadrature import fit_grid

    for name, version in versions().items():
        click.echo(f"{name:<14} {version}")
    click.echo(f"{'device':<14} {jax.devices()[0]}")
    double = jnp.zeros(1).dtype == jnp.float64
    click.echo(f"{'float64':<14} {'yes' if double else 'NO: import bayes_sandbox before using JAX'}")
    urn = Model({"p": dist.Beta(1, 1)}, lambda p: dist.Binomial(10, p), observed=2, name="check")
    found, exact = fit_grid(urn).evidence.log_evidence, -math.log(11)
    right = abs(found - exact) < 1e-8
    click.echo(f"{'evidence':<14} {found:.10f} (exact {exact:.10f}): {'right' if right else 'WRONG'}")
    return 0 if double and right else 1
