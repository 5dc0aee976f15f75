"""The command: parse, call, print. Nothing heavy is imported before it is needed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import __version__

FAILED, USAGE, INTERRUPTED = 1, 2, 130

_BUDGET = "For the grid and all estimators of log p(D) together.  [120]"
_EVIDENCE = "Estimators of log p(D), or none.  [laplace,grid,importance,bridge; tempering if none is trusted]"
_FORCE = "Accept a folder that holds other files. They are kept."
_FILE, _FOLDER = click.Path(dir_okay=False, path_type=Path), click.Path(path_type=Path)

_RUN_OPTIONS = (
    click.option("--methods", metavar="NAMES", default="map,grid,nuts", help="Fits to make.  [map,grid,nuts]"),
    click.option("--evidence", metavar="NAMES", help=_EVIDENCE),
    click.option("--out", metavar="DIR", type=_FOLDER, help="Where to keep the run.  [runs/NAME]"),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."),
    click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same answer."),
    click.option("--num-warmup", type=click.IntRange(1), default=1000, show_default=True, help="Steps to adapt in."),
    click.option("--num-samples", type=click.IntRange(20), default=1000, show_default=True, help="Draws a chain."),
    click.option("--num-chains", type=click.IntRange(1), default=4, show_default=True, help="Chains, side by side."),
    click.option("--budget", metavar="SECONDS", type=click.FloatRange(0, min_open=True), default=120.0, help=_BUDGET),
    click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An argument of make_model."),
    click.option("--draws", metavar="FILE", type=_FILE, help="A finished NUTS run (netCDF) instead of a new one."),
    click.option("--strict", is_flag=True, help="Exit with 3 if diagnostics fail, else 4 if methods disagree."),
    click.option("--resume", metavar="RUN_DIR", type=_FOLDER, help="Continue a run: finished results are kept."),
    click.option("--force", is_flag=True, help=_FORCE),
    click.option("--no-progress", is_flag=True, help="No progress bars on stderr."),
    click.option("--no-cache", is_flag=True, help="Keep no compiled programs in the user's cache folder."),
    click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from."),
)


def _with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bayes-sandbox")
def cli() -> None:
    """A model is a prior and a likelihood. Fit it three ways. See whether they agree."""


@cli.command()
@click.argument("script", metavar="MODEL.py", type=click.Path(path_type=Path))
@_with_run_options
def run(script: Path, **options: Any) -> None:
    """Fit a model by MAP, grid and NUTS, estimate its evidence, and write a report.

    MODEL.py defines `model`, or `make_model(**settings)`.
    """
    from .running import load_model, run_model

    _guarded(lambda: run_model(lambda: load_model(script, options["settings"]), str(script), options), options)


@cli.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("models"))
def list_models(folder: Path) -> None:
    """Show the model scripts in a folder.  [./models]"""
    from .scripts import find_scripts

    if not folder.is_dir():
        _fail(USAGE, f"there is no folder {folder}; name one that holds model scripts")
    found = find_scripts(folder)
    if not found:
        _fail(USAGE, f"{folder} holds no script that defines `model` or `make_model`")
    width = max(len(path.name) for path, _ in found)
    for path, title in found:
        click.echo(f"{path.name:<{width}}  {title}"[:79])


@cli.command()
@click.argument("script", metavar="MODEL.py", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "latex", "html"]), default="text", show_default=True)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An argument of make_model.")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from.")
def explain(script: Path, form: str, settings: tuple[str, ...], show_traceback: bool) -> None:
    """Say what a model is as a regularized loss, as Bayes, and as a library's call."""
    from .running import explain_script

    _guarded(lambda: explain_script(script, settings, form), {"show_traceback": show_traceback})


@cli.command()
@click.argument("name", required=False)
@click.argument("script", metavar="[MODEL.py]", required=False, type=click.Path(path_type=Path))
@click.option("--fast", is_flag=True, help="A small setting, in half a minute.")
@click.option("--out", metavar="DIR", type=_FOLDER, help="Where to keep it.  [runs/study-NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same answer.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An argument of the study.")
@click.option("--resume", metavar="DIR", type=_FOLDER, help="Continue a study: finished tasks are kept.")
@click.option("--force", is_flag=True, help=_FORCE)
@click.option("--workers", metavar="N", type=click.IntRange(1), help="So many processes, where tasks are many.")
@click.option("--no-progress", is_flag=True, help="No progress bars on stderr.")
@click.option("--no-cache", is_flag=True, help="Keep no compiled programs in the user's cache folder.")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from.")
def study(name: str | None, script: Path | None, **options: Any) -> None:
    """Run an experiment over many models; without a NAME, list them.

    Some take a model: prior-width, sequential, sensitivity.
    """
    from .studies import STUDIES

    if name is None:
        width = max(map(len, STUDIES))
        for known, question in STUDIES.items():
            click.echo(f"{known:<{width}}  {question}"[:79])
        return
    from .studying import run_study

    _guarded(lambda: run_study(name, script, options), options)


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to serve the page.  [any that is free]")
@click.option("--no-browser", is_flag=True, help="Say the address, open nothing.")
@click.option("--no-cache", is_flag=True, help="Keep no compiled programs in the user's cache folder.")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from.")
def explore(port: int, no_browser: bool, no_cache: bool, show_traceback: bool) -> None:
    """Open a page of sliders: prior, likelihood, posterior, evidence, and a grid.

    One curve through real data, on this machine, without a network.
    """
    from .exploring.serving import serve

    options = {"show_traceback": show_traceback}
    _guarded(lambda: serve(port, open_browser=not no_browser, cache=not no_cache), options)


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from.")
def report(run_dir: Path, show_traceback: bool) -> None:
    """Draw the report of a kept run or study again, without refitting."""
    from .running import redraw_run

    _guarded(lambda: redraw_run(run_dir), {"show_traceback": show_traceback})


@cli.command()
def check() -> None:
    """Say whether the installation works: versions, device, float64, one evidence in closed form."""
    from .running import check_installation

    sys.exit(check_installation())


def main(model: Any) -> None:
    """Do for a model what `bayes-sandbox run` does; the last line of a model script.

    Command-line options are read from `sys.argv`, so that `python models/bioassay.py --seed 1` works.
    """

    @click.command(context_settings={"help_option_names": ["-h", "--help"]})
    @_with_run_options
    def script(**options: Any) -> None:
        """Fit this model by MAP, grid and NUTS, estimate its evidence, and write a report."""
        from .running import run_model
        from .scripts import remake

        _guarded(lambda: run_model(lambda: remake(model, options["settings"]), sys.argv[0], options), options)

    script()


def entry() -> None:
    """Run the command line."""
    cli()


def _guarded(action: Callable[[], int], options: dict[str, Any]) -> None:
    """Run an action and exit with its code; an error becomes one sentence on stderr and its exit code."""
    from .errors import UserError
    from .folders import StorageError

    try:
        code = action()
    except KeyboardInterrupt:
        _fail(INTERRUPTED, "interrupted; what was finished is kept in the run folder, and --resume continues it")
    except Exception as error:
        if options.get("show_traceback"):
            raise
        text = " ".join(str(error).split())
        if isinstance(error, UserError | StorageError):
            _fail(USAGE if isinstance(error, UserError) else FAILED, text)
        _fail(FAILED, f"{type(error).__name__}: {text} (--traceback shows where)")
    sys.exit(code)


def _fail(code: int, sentence: str) -> None:
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(code)
