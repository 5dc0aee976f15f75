"""What the commands do: load, compare, keep, print."""

import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from . import __version__
from .errors import UserError
from .parts import FolderParts
from .scripts import load_script, model_of

DIAGNOSTICS, DISAGREE = 3, 4
DRAWS, SETTINGS, PARTS = "draws.nc", "settings.json", "parts"
INTERRUPTED = 130  # cli.INTERRUPTED


def load_model(script: Path, settings: tuple[str, ...]) -> Any:
    """Return the model of a script."""
    return model_of(load_script(script), script, settings)


def run_model(make: Callable[[], Any], file: str, options: dict[str, Any]) -> int:
    """Compare one model's fits, keep the run, print the result; return the exit code."""
    with redirect_stdout(sys.stderr):  # what a model prints must not get into the document
        if not options["no_cache"]:
            use_cache()
        from .model import require_model

        model = require_model(make())
        folder = prepare_folder(options["resume"] or options["out"] or Path("runs") / _folder_name(model.name))
        result = _compare(model, file, options, folder)
    click.echo(json.dumps(result.to_dict(), indent=1, allow_nan=False) if options["as_json"] else result.summary())
    with redirect_stdout(sys.stderr):  # pictures take longer than the fits of a small model: numbers come first
        page = result.report(folder)
    if not options["as_json"]:
        click.echo(f"report: {page}")
    if result.interrupted:
        click.echo(f"interrupted; --resume {folder} goes on from what was finished", err=True)
        return INTERRUPTED
    return _strict_code(result) if options["strict"] else 0


def _compare(model: Any, file: str, options: dict[str, Any], folder: Path) -> Any:
    from .comparison import compare

    evidence = options["evidence"]
    names = None if evidence is None else [] if evidence == "none" else _names(evidence)
    (folder / SETTINGS).write_text(json.dumps({"file": file, "argv": sys.argv[1:]}))
    parts = _parts(model, file, options, folder)
    if not options["no_progress"]:
        _say_costs(model, names, options)
    result = compare(
        model,
        methods=[] if options["methods"] == "none" else _names(options["methods"]),
        evidence=names,
        draws=None if parts.recall("nuts") is not None else _draws(options, folder, model),
        parts=parts,
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


def _draws(options: dict[str, Any], folder: Path, model: Any) -> Any:
    """Return draws to start from: a file that was named, or those of the run that is resumed."""
    path = options["draws"] or (folder / DRAWS if options["resume"] else None)
    if path is None or (options["resume"] and not path.exists()):
        return None
    if not path.exists():
        raise UserError(f"there is no file {path}")
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            loaded = tree.load()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a netCDF file of draws: {error}") from error
    kept = loaded.attrs.get("data_sha256")
    if options["resume"] and kept != str(model.data_sha256):
        raise UserError(f"{folder} was run on other data; start a new run without --resume")
    return loaded


class _RunParts:
    """Parts in a run folder; draws also as netCDF, for whoever wants them."""

    def __init__(self, parts: FolderParts, folder: Path, model: Any):
        self._parts, self._folder, self._model = parts, folder, model

    def recall(self, name: str) -> Any | None:
        return self._parts.recall(name)

    def keep(self, name: str, value: Any) -> None:
        if name == "nuts":
            tree = value.to_datatree()
            tree.attrs["data_sha256"] = str(self._model.data_sha256)
            unfinished = self._folder / f"{DRAWS}.part"
            tree.to_netcdf(unfinished, engine="h5netcdf")
            unfinished.replace(self._folder / DRAWS)
        self._parts.keep(name, value)


def _parts(model: Any, file: str, options: dict[str, Any], folder: Path) -> _RunParts:
    """Return where this run's finished parts are; a run that resumes none begins with none."""
    if not options["resume"]:
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    script = Path(file).read_bytes() if Path(file).is_file() else b""
    names = ("settings", "seed", "num_warmup", "num_samples", "num_chains", "budget", "draws")
    identity = (__version__, script, model.data_sha256, model.parameters, *(str(options[n]) for n in names))
    return _RunParts(FolderParts(folder / PARTS, *identity), folder, model)


def _strict_code(result: Any) -> int:
    """Return 3 where diagnostics failed, 4 where methods disagree, else 0."""
    failed = [
        result.nuts is not None and not result.nuts.diagnostics.passed,
        "nuts" in result.skipped,
        result.map is not None and not result.map.converged,
        result.grid is not None and not result.grid.skipped and not result.grid.converged,
    ]
    if any(failed):
        return DIAGNOSTICS
    return DISAGREE if False in (result.agreement.evidence, result.agreement.posterior) else 0


def prepare_folder(folder: Path) -> Path:
    """Make the run folder and prove that it can be written to, before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}; choose another --out") from error
    return folder


def _folder_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "model"


def explain_script(script: Path, settings: tuple[str, ...], form: str) -> int:
    """Print what a script's model is as a regularized loss; return the exit code."""
    from .regularization import explain

    with redirect_stdout(sys.stderr):
        said = explain(load_model(script, settings))
    print({"text": str(said), "latex": said.latex, "html": said._repr_html_()}[form])
    return 0


def redraw_run(folder: Path) -> int:
    """Draw the report of a kept run, or the page of a kept study, again."""
    from .report import redraw
    from .report.study import STUDY, redraw_study

    with redirect_stdout(sys.stderr):
        page = redraw_study(folder) if (folder / STUDY).is_file() else redraw(folder)
    click.echo(f"report: {page}")
    return 0


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder, at most half a gigabyte of them."""
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        folder = prepare_folder(base / "bayes_sandbox" / "compiled")
    except UserError:
        return  # no cache is slower, not wrong
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
