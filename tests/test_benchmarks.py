"""The harness works: every table from one command, with the columns it promises. Never how long anything took."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import engine, evidence_table, figures, page, problem_table, sampling, scaling, startup
from benchmarks.__main__ import TABLES

ROOT = Path(__file__).parents[1]


def test_the_small_setting_writes_every_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--small", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    modules = {
        "engine": engine,
        "sampling": sampling,
        "scaling": scaling,
        "startup": startup,
        "problem_table": problem_table,
        "evidence_table": evidence_table,
    }
    assert {path.stem for path in tmp_path.glob("*.csv")} == set(modules)
    rows = {}
    for name, module in modules.items():
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            reader = csv.DictReader(file)
            rows[name] = list(reader)
        assert tuple(reader.fieldnames or ()) == module.FIELDS
        assert rows[name]
        assert not any(row.get("note") for row in rows[name]), rows[name]
    assert {row["method"] for row in rows["sampling"]} == {"bayes_sandbox", "numpyro"}
    assert {row["what"] for row in rows["scaling"]} == set(scaling.SIZES)
    assert float(rows["engine"][0]["ratio"]) > 0
    assert "problem_table: done" in done.stderr


def test_a_table_that_fails_is_said_and_counted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--small", "--only", "problem_table", "--out", "/dev/null/none"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode != 0


def test_ratios_are_of_medians_and_leave_out_what_did_not_converge() -> None:
    def row(method: str, ess: int, seconds: float, note: str = "") -> dict[str, object]:
        each = {"cold": seconds, "warm": seconds / 2, "cold_ess": ess, "warm_ess": ess, "note": note}
        return {"posterior": "coin", "method": method} | each

    rows = [row("bayes_sandbox", 300, 1.0), row("numpyro", 100, 1.0), row("numpyro", 9000, 1.0, "did not converge")]
    assert sampling.ratios(rows) == {"coin": {"cold": pytest.approx(3.0), "warm": pytest.approx(3.0)}}
    assert sampling.ratios(rows[:1]) == {"coin": {}}


def test_an_exponent_is_a_slope_over_the_upper_half() -> None:
    seconds = {1e2: 1.0, 1e3: 1.0, 1e4: 10.0, 1e5: 100.0}
    rows = [
        {"what": "nodes", "way": "grid", "size": n, "seconds": s, "memory": 500, "note": ""} for n, s in seconds.items()
    ]
    assert scaling.exponents(rows)["nodes", "grid"] == pytest.approx((1.0, 0.0))


def test_every_table_has_a_module() -> None:
    assert {module for module, _, _ in TABLES.values()} <= {p.stem for p in (ROOT / "benchmarks").glob("*")}


def test_the_page_and_its_pictures_show_what_tables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = "posterior,method,gap,error,densities,seconds,warm,note\n"
    peers += "coin,bayes_sandbox,0.0,1e-9,100,1.0,0.5,\ncoin,dynesty,0.03,0.1,100,9.0,,\ncoin,nautilus,,,,,,no\n"
    rows = [f"{size:g},{method},1" for size in (1, 2) for method in ("bayes_sandbox", "numpyro")]
    drawn = "posterior,method,dimension,seed,cold,warm,cold_ess,warm_ess,rhat,z,note\n"
    drawn += "".join(f"model {row},0,2.5,0.5,{800 if 'bayes' in row else 90},70,1.0,0,\n" for row in rows)
    grown = "what,way,size,first,seconds,memory,note\n"
    grown += "".join(f"nodes,grid,{10**k},1,{10.0 ** (k - 5)},300,\nchains,nuts,{4**k},1,0.1,400,\n" for k in range(4))
    started = "what,seconds,least,largest,over_libraries\nhelp,0.2,0.1,0.3,0.1\n"
    tables = {"peers": peers, "peers_deep": peers, "sampling": drawn, "scaling": grown, "startup": started}
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    monkeypatch.setattr(sys, "argv", ["page", "--tables", str(tmp_path), "--out", str(tmp_path)])
    page.main()
    assert {path.name for path in tmp_path.glob("*.png")} == {f"results_{n}.png" for n in figures.PICTURES}
    with (tmp_path / "sampling.csv").open(newline="") as file:
        shown = figures.sampling([list(csv.DictReader(file))]).axes[0]
    spots = [tuple(spot) for mark in shown.collections for spot in mark.get_offsets()]
    assert [x for x, _ in spots] == pytest.approx([800 / 90] * 2)
    assert shown.get_legend_handles_labels()[1] == ["NumPyro (mean 8.9)"]
    told = (tmp_path / "results.md").read_text()
    assert "| dynesty | 1 of 1 | 1 | 0 | 9.0 (9) | 0 |" in told
    assert "| nautilus | 0 of 1 | 0 | 0 | — | 0 |" in told
    assert "| **geometric mean** | **8.89** |" in told
    assert "| nodes, by grid | 1 to 1000 | 1e-05 to 0.01 | 1.00 | 300 to 300 | 0.00 |" in told
    assert "| help | 0.2 (0.1–0.3) | 0.1 |" in told


def test_what_has_no_table_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["page", "--tables", str(tmp_path), "--out", str(tmp_path)])
    page.main()
    assert "left out: there is no sampling.csv" in capsys.readouterr().err
    assert "What speed buys" in (tmp_path / "results.md").read_text()
    assert not list(tmp_path.glob("*.png"))
