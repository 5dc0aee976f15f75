"""Every notebook runs from top to bottom, and was saved with its pictures."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def _code(notebook: Path) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


LONG = ("01", "02", "03", "04", "05", "07", "08", "09", "10")  # up to two minutes each on a busy machine
RUN = [pytest.param(p, marks=pytest.mark.slow if p.stem.startswith(LONG) else ()) for p in NOTEBOOKS]


@pytest.mark.parametrize("notebook", RUN, ids=lambda p: p.stem)
def test_a_notebook_runs(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAYES_SANDBOX_FAST", "1")
    space: dict = {}
    for cell in _code(notebook):
        lines = [line for line in "".join(cell["source"]).splitlines() if not line.startswith("%")]
        exec(compile("\n".join(lines), notebook.name, "exec"), space)
    plt.close("all")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_shows_its_results(notebook: Path) -> None:
    outputs = [output for cell in _code(notebook) for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) >= 3
