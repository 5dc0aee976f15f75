"""The studies at their fast setting, each done once in a process, and what holds for every one of them."""

import csv
import json
from pathlib import Path

import bayes_sandbox as bs
from bayes_sandbox.studies import STUDIES, find_study

_DONE: dict[str, bs.Study] = {}


def fast(name: str) -> bs.Study:
    """Return a study at its fast setting, done once a session; a machine that is busy gets more time."""
    if name not in _DONE:
        _DONE[name] = find_study(name)(fast=True, **({"budget": 10.0} if name == "dimension" else {}))
    return _DONE[name]


def check_kept_and_drawn(name: str, folder: Path) -> None:
    """Assert that a study's folder holds all that the study has, and that its page shows it."""
    study = fast(name)
    page = study.report(folder)
    doc = json.loads((folder / "study.json").read_text())
    assert doc == study.to_dict()
    assert study.findings
    assert study.name == name
    assert doc["question"] == STUDIES[name]
    html = page.read_text()
    figures = sorted(p.stem for p in (folder / "plots").glob("*.svg"))
    assert figures
    assert figures == sorted(p.stem for p in (folder / "plots").glob("*.png"))
    for figure in figures:
        assert f'id="figure-{figure}"' in html
        assert (folder / "plots" / f"{figure}.png").stat().st_size > 10_000
    assert "http://" not in html.replace("http://www.w3.org", "")
    for table, rows in study.tables.items():
        with (folder / "tables" / f"{table}.csv").open() as source:
            assert len(list(csv.DictReader(source))) == len(rows)
        assert len({tuple(row) for row in rows}) == 1, "rows of one shape"
    assert study.summary().startswith(name)
    assert max(map(len, study.summary().splitlines())) < 80
    assert set(study.to_datatree().children) == set(study.tables)
