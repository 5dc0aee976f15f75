"""The table of truths itself: the model's density against the stated evidence and moments, by SciPy's quadrature."""

import jax
import numpy as np
import problems
import pytest
from scipy import integrate, special, stats

CHECKED = [p.name for p in problems.ALL if p.box]
FEW = {
    "coin",
    "nine of nine",
    "bimodal",
    "cauchy prior",
    "german tanks",
    "counts",
    "half-Cauchy scale",
    "laplace prior",
}
PADDED = 512


def as_params(problem, model, rows):
    """Return flat rows of user's parameters as name → array."""
    params, start = {}, 0
    for name, shape in model.structure.shapes.items():
        size = int(np.prod(shape))
        params[name] = rows[:, start : start + size].reshape(-1, *shape)
        start += size
    return params


def masses(problem):
    """Return ∫ p(θ, D)/p(D) (1, z, z²) dθ over the box, with z = (θ − mean)/sd: it should be (1, 0, 1)."""
    model = problems.model_of(problem.name)
    level = 0.0 if np.isnan(problem.log_evidence) else problem.log_evidence
    heights = jax.jit(jax.vmap(lambda p: sum(model.log_parts(p))))
    mean, sd = problems.flat(problem.mean), problems.flat(problem.sd)

    def integrand(rows):
        padded = np.resize(rows, (-(-len(rows) // PADDED) * PADDED, rows.shape[1]))
        values = np.concatenate(
            [heights(as_params(problem, model, block)) for block in padded.reshape(-1, PADDED, rows.shape[1])]
        )[: len(rows)]
        z = (rows - mean) / sd
        weight = np.exp(np.nan_to_num(values, nan=-np.inf) - level)[:, None]
        return weight * np.concatenate([np.ones((len(rows), 1)), z, z**2], axis=1)

    cuts = [[lo, *extra, hi] for (lo, hi), extra in zip(problem.box, _breaks(problem))]
    cells = np.stack(np.meshgrid(*(np.arange(len(c) - 1) for c in cuts), indexing="ij"), axis=-1).reshape(-1, len(cuts))
    total = 0.0
    for cell in cells:
        low, high = (np.array([c[i + side] for c, i in zip(cuts, cell)], float) for side in (0, 1))
        rule = "gk21" if len(cuts) == 1 else "gauss-kronrod"
        total = total + integrate.cubature(integrand, low, high, rule=rule, rtol=1e-9, atol=1e-9).estimate
    return total


def _breaks(problem):
    if not problem.breaks:
        return [()] * problem.dimension
    points = np.array(problem.breaks).T if problem.dimension > 1 else [np.ravel(problem.breaks)]
    return [sorted(axis) for axis in points]


@pytest.mark.parametrize(
    "name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in CHECKED if "pole" not in n]
)
def test_the_table_agrees_with_scipys_quadrature(name):
    problem = problems.BY_NAME[name]
    size = len(problems.flat(problem.mean))
    found = masses(problem)
    np.testing.assert_allclose(found[0], 1.0, rtol=1e-7)
    np.testing.assert_allclose(found[1 : 1 + size], 0.0, atol=1e-4)
    np.testing.assert_allclose(found[1 + size :], 1.0, rtol=2e-3 if "heavy-tailed" in problem.tags else 1e-5)


def test_names_are_used_once_and_dimensions_are_right():
    assert len(problems.BY_NAME) == len(problems.TABLE + problems.MANY)
    for name in ("coin", "dice", "regression", "four weights", "funnel"):
        assert problems.model_of(name).dimension == problems.BY_NAME[name].dimension


def test_folklore():
    assert problems.BY_NAME["coin"].log_evidence == pytest.approx(-np.log(11), rel=1e-13)
    assert problems.BY_NAME["nine of nine"].log_evidence == pytest.approx(-np.log(10), rel=1e-13)
    assert problems.BY_NAME["pole at zero"].log_evidence == pytest.approx(np.log(0.75 / 1.0 * 2 / 3), rel=1e-12)


def test_the_funnel_on_a_plain_trapezoid():
    v = np.linspace(-40, 40, 400_001)
    f = stats.norm.pdf(v, -1, 3) * stats.norm.pdf(1.2, 0, np.sqrt(np.exp(v) + 0.25))
    np.testing.assert_allclose(problems.BY_NAME["funnel"].log_evidence, np.log(np.trapezoid(f, v)), rtol=1e-10)


def test_the_nested_support_on_gauss_legendre():
    nodes, weights = np.polynomial.legendre.leggauss(60)
    hi = 2 + nodes
    f = (stats.norm.cdf(hi, 1.4, 0.5) - stats.norm.cdf(0, 1.4, 0.5)) / hi / 2
    np.testing.assert_allclose(problems.BY_NAME["nested support"].log_evidence, np.log(weights @ f), rtol=1e-11)


def test_german_tanks_by_hand():
    """∫ θ⁻³/30 from 9.5 to 30."""
    expected = np.log((9.5**-2 - 30.0**-2) / 2 / 30)
    np.testing.assert_allclose(problems.BY_NAME["german tanks"].log_evidence, expected, rtol=1e-12)


def test_the_plateau_by_hand():
    """The integral of a logistic is a softplus."""
    expected = np.log((np.logaddexp(0, 30) - np.logaddexp(0, -12)) / 3 / 14)
    np.testing.assert_allclose(problems.BY_NAME["plateau"].log_evidence, expected, rtol=1e-9)


def test_counts_are_a_negative_binomial_when_there_is_one():
    """Gamma–Poisson with a single count is scipy's nbinom: the formula of the table, at n = 1."""
    a, b, k = 2.0, 0.5, 7
    formula = special.gammaln(a + k) - special.gammaln(a) + a * np.log(b) - (a + k) * np.log(b + 1)
    np.testing.assert_allclose(formula - special.gammaln(k + 1), stats.nbinom(a, b / (b + 1)).logpmf(k), rtol=1e-12)


def test_the_ridge_has_lost_its_direction():
    """Gaussian by construction, 1e-6 thin: its two parameters are correlated to a part in a million."""
    problem = problems.BY_NAME["ridge"]
    assert problem.sd["a"] > 5
    np.testing.assert_allclose(problem.mean["a"] + problem.mean["b"], 3.0, atol=1e-5)
