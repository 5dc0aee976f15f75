"""Would the tests notice? Classic mistakes made in a copy of the package, each of which must fail a named test."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# name: (file, what stands there, what a mistake would write, the test that must fail)
MUTATIONS = {
    "whitened by inv(chol(H)) instead of chol(inv(H))": (
        "optimization/laplace.py",
        "np.linalg.cholesky(np.linalg.inv(precision))",
        "np.linalg.inv(np.linalg.cholesky(precision))",
        "test_laplace.py",
    ),
    "a factor √2 missing in the nodes": (
        "quadrature/rules.py",
        "nodes, weights = np.polynomial.hermite_e.hermegauss(k)",
        "nodes, weights = np.polynomial.hermite.hermgauss(k)",
        "test_grid.py",
    ),
    "the weight of an end node forgotten": (
        "quadrature/embedded.py",
        "fine = np.r_[half[:, 1], half[-2::-1, 1]] / 2",
        "fine = np.r_[0.0, half[1:, 1], half[-2::-1, 1]] / 2",
        "test_cells.py::test_the_fine_sum_is_exact_to_its_degree",
    ),
    "the ends of an axis not followed": (
        "quadrature/trapezoid.py",
        "if share[end] > TAIL and abs(span[j, side]) < LONGEST:",
        "if False:",
        "test_grid.py",
    ),
    "the sign of log|J|": (
        "coordinates.py",
        "return params, sum(log_dets[1:], start=log_dets[0])",
        "return params, -sum(log_dets[1:], start=log_dets[0])",
        "test_coordinates.py",
    ),
    "a normalising constant dropped from Laplace": (
        "optimization/laplace.py",
        "log_volume = 0.5 * d * np.log(2 * np.pi) + ",
        "log_volume = ",
        "test_laplace.py",
    ),
    "a constant dropped from the volume of a chart": (
        "quadrature/charts.py",
        "xp.log(2 * REACH * (1 + (t - rest) ** 2))",
        "xp.log(1 + (t - rest) ** 2)",
        "test_cells.py::test_the_volume_of_a_chart_is_its_jacobian",
    ),
    "the prior counted twice": (
        "model.py",
        "for n, v in terms.items() if n not in self.structure.shapes)",
        "for n, v in terms.items())",
        "test_model.py",
    ),
    "modes left out of the seeds": (
        "optimization/laplace.py",
        "humps=tuple(sorted(humps, key=lambda h: -h.log_mass)),\n        images",
        "humps=tuple(sorted(humps, key=lambda h: -h.log_mass))[:1],\n        images",
        "test_symmetry.py",
    ),
    "points that nodes missed not charged": (
        "quadrature/subdivision.py",
        "self.error = self.spread + self.hidden",
        "self.error = self.spread",
        "test_cells.py::test_hidden_mass_is_charged",
    ),
}


def run(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", f"tests/{test}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    for name in ("bayes_sandbox", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_fails_a_test(copy, name):
    file, right, wrong, test = MUTATIONS[name]
    path = copy / "bayes_sandbox" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{file} has changed: say again what the mistake would be"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = run(copy, test)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("test", sorted({m[3] for m in MUTATIONS.values()}))
def test_without_the_mistake_it_passes(copy, test):
    done = run(copy, test)
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_mistake_is_one_that_can_still_be_made():
    for file, right, wrong, _ in MUTATIONS.values():
        assert right != wrong
        assert (ROOT / "bayes_sandbox" / file).read_text(encoding="utf-8").count(right) == 1, file
