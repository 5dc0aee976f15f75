"""Real regressions, and what a model's MAP is held against."""

import numpy as np
import statsmodels.api
from sklearn.datasets import load_breast_cancer, load_diabetes

import bayes_sandbox as bs
from bayes_sandbox.regularization import weights


def standardised(a: np.ndarray) -> np.ndarray:
    return (a - a.mean(axis=0)) / a.std(axis=0)


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_diabetes(return_X_y=True)
    return standardised(x), standardised(y)


def longley() -> tuple[np.ndarray, np.ndarray]:
    data = statsmodels.api.datasets.longley.load_pandas()
    return standardised(data.exog.to_numpy(float)), standardised(data.endog.to_numpy(float))


def breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_breast_cancer(return_X_y=True)
    return standardised(x), y


def counts() -> tuple[np.ndarray, np.ndarray]:
    x, y = diabetes()
    return x, np.round(np.exp(1 + 0.3 * y)).astype(int)


def fitted(model: bs.Model) -> tuple[np.ndarray, float]:
    fit = bs.fit_map(model, num_starts=2)
    assert fit.converged, fit.message
    return np.asarray(weights(fit.params)), float(np.sum(fit.params.get("intercept", 0.0)))


def assert_same(mine: np.ndarray, theirs: np.ndarray, rtol: float = 1e-5) -> None:
    np.testing.assert_array_equal(mine == 0, theirs == 0)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=rtol * np.abs(theirs).max())


EXACT = {"tol": 1e-13, "max_iter": 1_000_000}
REAL = {"diabetes": diabetes, "longley": longley}
