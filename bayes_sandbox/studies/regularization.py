"""How strong a penalty, how wide a prior? The MAP, the posterior, the evidence and the risk along one path."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from ..arguments import integer, numbers, text
from ..checkpoints import NO_CHECKPOINTS, Checkpoints
from ..errors import UserError, suggestion
from ..model import Model
from ..naming import labels
from ..optimization import fit_map
from ..real_data import ACCELERATIONS, CEMENT, IMPACT_TIMES
from ..records import Evidence
from ..regularization import PENALTIES, choose_scales, fit_gaussian, from_loss
from ..selection import leave_one_out
from .order import fitted
from .study import Row, Study, Table, Tasks, check_options, chosen, column, quick, where

STRENGTHS = tuple(np.geomspace(1e-2, 1e3, 11).round(4).tolist())  # λ of Σ ½ r² + λ h(w)
FOLDS = 10
KNOWN_SCALE = {"crash": 22.0, "cement": 2.4}  # of the noise: g, and cal/g; residuals of a generous fit
ORDER = 12  # of the polynomial
BALLS = 3  # strengths at which the constraint is solved too
DRAWS = (4, 1000)  # of a posterior in closed form
MOST_SWEEPS, SETTLED = 10_000, 1e-10  # of coordinate descent
INTERVAL = (0.05, 0.95)


def _data(name: str, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, targets, and which rows are held out."""
    if name == "cement":
        x = (CEMENT[:, :4] - CEMENT[:, :4].mean(axis=0)) / CEMENT[:, :4].std(axis=0)
        return x, CEMENT[:, 4] - CEMENT[:, 4].mean(), np.arange(len(x)) % 4 == 3
    low, high = IMPACT_TIMES.min(), IMPACT_TIMES.max()
    x = np.polynomial.legendre.legvander(2 * (IMPACT_TIMES - low) / (high - low) - 1, order)
    return x, ACCELERATIONS, np.arange(len(x)) % 2 == 1


def study_regularization(
    *,
    data: str = "crash",
    penalties: Sequence[str] = ("l2", "l1"),
    strengths: Sequence[float] = STRENGTHS,
    order: int = ORDER,
    seed: int = 0,
    fast: bool = False,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    progress: bool = False,
) -> Study:
    """Walk from a weak penalty to a strong one, which is from a wide prior to a narrow one.

    At each strength λ of Σ ½ r² + λ h(w): the MAP, which is the penalised fit; the posterior's mean and interval; the
    log evidence and LOO, with nothing held out; the loss of tenfold cross-validation, in training, and on what was held
    out, of the MAP plugged in and of the posterior predictive. All losses are −log densities, in nats an observation.
    The weakest penalty is as good as none (MLE). Under `l1` the MAP is sparse and the posterior mean is not.

    Parameters
    ----------
    data
        `crash` (a polynomial of a motorcyclist's acceleration) or `cement` (heat on four collinear compounds). The
        noise's scale is taken as known, 22 g and 2.4 cal/g.
    penalties
        `l2` and `l1`.
    order
        Of the polynomial.
    fast
        Three strengths, a polynomial of order three.

    Returns
    -------
    Study
        Tables `scores` (a row for each strength), `weights` (MAP, mean, interval), `chosen` (each judge's strength),
        `constraint` (the ball ‖w‖ ≤ δ that has the same solution). Asserted of the fast setting: the loss in training
        grows with the strength and ‖w‖ shrinks; the ball's solution is the penalty's; exact zeros are the MAP's alone.

    Raises
    ------
    UserError
        For data or a penalty that do not exist, and strengths that are not positive.

    Examples
    --------
    >>> from bayes_sandbox.studies import study_regularization
    >>> study = study_regularization(data="cement", penalties=["l2"], strengths=[0.1, 10.0])
    >>> weak, strong = (row["norm"] for row in study.tables["scores"])
    >>> weak > strong
    True
    """
    started = time.perf_counter()
    if text(data, "data") not in KNOWN_SCALE:
        raise UserError(
            f"there are no data {data!r}{suggestion(data, KNOWN_SCALE)}; there are {', '.join(KNOWN_SCALE)}"
        )
    seed = check_options(seed, fast, progress, checkpoints)
    penalties = chosen(penalties, "penalties", ("l1", "l2"), "path for the penalty")
    order = integer(order, "order", at_least=1)
    strengths = tuple(numbers(strengths, "strengths").ravel().tolist())
    strengths = tuple(sorted(float(s) for s in quick(fast, tuple(strengths), STRENGTHS, (1.0, 100.0, 1000.0))))
    if not strengths or strengths[0] <= 0:
        raise UserError(f"expected positive strengths, got {list(strengths)}")
    order = quick(fast, order, ORDER, 3)
    tasks = Tasks(checkpoints, progress)
    jobs = [(data, order, p, s) for p in penalties for s in strengths]
    found = tasks.rows("strength", jobs, lambda job: _rows(*job, seed))
    tables = {
        "scores": [r for r in found if "component" not in r],
        "weights": [r for r in found if "component" in r],
        "constraint": tasks.rows("ball", _some(strengths), lambda s: [_ball(data, order, s)]),
    }
    tables["chosen"] = _chosen(tables["scores"], data, order)
    settings = {"data": data, "penalties": list(penalties), "strengths": list(strengths), "order": order}
    settings |= {"noise": KNOWN_SCALE[data], "seed": seed, "fast": fast}
    return Study("regularization", tables, tuple(_findings(tables)), settings, time.perf_counter() - started)


def _some(strengths: Sequence[float]) -> list[float]:
    """Return a few strengths from the weak to the strong."""
    return [strengths[i] for i in sorted({0, len(strengths) // 2, len(strengths) - 1})][:BALLS]


def _model(name: str, penalty: str, strength: float, x: np.ndarray, y: np.ndarray) -> Model:
    return from_loss(
        "squared",
        penalty,
        x=x,
        y=y,
        strength=strength,
        scale=KNOWN_SCALE[name],
        intercept=False,
        name=f"{name}, {penalty}",
    )


def _rows(name: str, order: int, penalty: str, strength: float, seed: int) -> Table:
    """Return one row of scores and one for each weight."""
    x, y, out = _data(name, order)
    scale, num = KNOWN_SCALE[name], int((~out).sum())
    train = _model(name, penalty, strength, x[~out], y[~out])
    w = np.asarray(fit_map(train, num_starts=2, seed=seed).params["w"])
    best, draws = _posterior(train, penalty, strength, x[~out], y[~out], scale, seed)
    loo, flat = leave_one_out(train, {"w": draws}), draws.reshape(-1, len(w))
    base = {"penalty": penalty, "strength": strength}
    scores = base | {
        "prior_scale": PENALTIES[penalty].scale(strength / scale**2),
        "method": best.method,
        "log_evidence": best.log_evidence,
        "error": best.error,
        "trusted": best.trusted,
        "elpd_loo": loo.elpd,
        "pareto_k": loo.worst_pareto_k,
        "evidence_loss": -best.log_evidence / num,
        "loo_loss": -loo.elpd / num,
        "cross_validation_loss": _cross_validated(penalty, strength, x[~out], y[~out], scale),
        "training_loss_map": _loss(w[None], x[~out], y[~out], scale),
        "training_loss_predictive": _loss(flat, x[~out], y[~out], scale),
        "held_out_loss_map": _loss(w[None], x[out], y[out], scale),
        "held_out_loss_predictive": _loss(flat, x[out], y[out], scale),
        "norm": float(np.linalg.norm(w)),
        "num_zero_map": int((w == 0).sum()),
        "num_zero_mean": int((flat.mean(axis=0) == 0).sum()),
    }
    low, high = np.quantile(flat, INTERVAL, axis=0)
    return [
        scores,
        *(
            base | {"component": c, "map": float(m), "mean": float(a), "low": float(lo), "high": float(hi)}
            for c, m, a, lo, hi in zip(labels("w", w.shape), w, flat.mean(axis=0), low, high)
        ),
    ]


def _posterior(
    model: Model, penalty: str, strength: float, x: np.ndarray, y: np.ndarray, scale: float, seed: int
) -> tuple[Evidence, np.ndarray]:
    """Return the evidence and draws (chain, draw, p): under l2 in closed form, under l1 by a grid or by NUTS."""
    if penalty == "l2":
        exact = fit_gaussian(x, y, prior_scale=scale / np.sqrt(strength), scale=scale)
        root, rng = np.linalg.cholesky(exact.covariance), np.random.default_rng(seed)
        draws = exact.mean + rng.normal(size=(*DRAWS, len(root))) @ root.T
        rounding = float(np.finfo(float).eps * 100 * max(1.0, abs(exact.log_evidence)))
        return Evidence("closed form", exact.log_evidence, rounding, 0, 0.0, True, ()), draws
    best, drawn, _ = fitted(model, seed)
    return best, np.asarray(drawn["w"])


def _loss(draws: np.ndarray, x: np.ndarray, y: np.ndarray, scale: float) -> float:
    """Return −(1/n) Σ log of the mean over draws (m, p) of N(yᵢ; xᵢ · w, σ²): of one point, or of a posterior."""
    log_densities = stats.norm.logpdf(y, draws @ x.T, scale)
    return float(-np.mean(logsumexp(log_densities, axis=0) - np.log(len(draws))))


def _cross_validated(penalty: str, strength: float, x: np.ndarray, y: np.ndarray, scale: float) -> float:
    """Return the loss of the MAP on tenths of the data that it was not fitted to; λ as for all of them."""
    fold, total = np.arange(len(y)) % FOLDS, 0.0
    for k in range(min(FOLDS, len(y))):
        rows = fold != k
        w = penalised(penalty, strength, x[rows], y[rows])
        total += _loss(w[None], x[~rows], y[~rows], scale) * int((~rows).sum())
    return total / len(y)


def penalised(penalty: str, strength: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return argmin Σ ½ (y − x w)² + λ h(w) without compiling a model: what many small fits are made with.

    Under l1 by coordinate descent (Friedman, Hastie & Tibshirani 2010, section 2.1).

    >>> penalised("l1", 1.0, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3.0, 0.5])).tolist()
    [2.0, 0.0]
    """
    if penalty == "l2":
        return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    w, square, left = np.zeros(x.shape[1]), (x**2).sum(axis=0), y.copy()
    for _ in range(MOST_SWEEPS):
        before = w.copy()
        for j in range(len(w)):
            pull = x[:, j] @ left + square[j] * w[j]
            new = np.sign(pull) * max(abs(pull) - strength, 0.0) / square[j]
            left += x[:, j] * (w[j] - new)
            w[j] = new
        if np.abs(w - before).max() <= SETTLED * np.abs(w).max():
            break
    return w


def _ball(name: str, order: int, strength: float) -> Row:
    """Return the δ whose constraint ‖w‖ ≤ δ has the solution of this penalty, and how near its own solution is."""
    x, y, out = _data(name, order)
    w = penalised("l2", strength, x[~out], y[~out])
    delta = float(np.linalg.norm(w))
    ball = from_loss("squared", "ball", x=x[~out], y=y[~out], radius=delta, scale=KNOWN_SCALE[name], intercept=False)
    constrained = fit_map(ball, num_starts=2)
    gap = np.linalg.norm(np.asarray(constrained.params["w"]) - w) / delta
    return {
        "strength": strength,
        "delta": delta,
        "edges": ", ".join(constrained.edges),
        "converged": bool(constrained.converged),
        "relative_gap": float(gap),
    }


JUDGES: Mapping[str, str] = {
    "evidence_loss": "the evidence",
    "loo_loss": "LOO",
    "cross_validation_loss": "cross-validation",
    "held_out_loss_map": "what was held out, MAP",
    "held_out_loss_predictive": "what was held out, predictive",
}


def _chosen(scores: Table, data: str, order: int) -> Table:
    """Return the strength that each judge would choose from the path; by the evidence of l2 also from all."""
    rows = []
    for penalty in dict.fromkeys(r["penalty"] for r in scores):
        path = where(scores, penalty=penalty)
        for judge, name in JUDGES.items():
            known = [r for r in path if np.isfinite(r[judge])]
            if known:
                best = known[int(np.argmin(column(known, judge)))]
                rows.append({"penalty": penalty, "judge": name, "strength": best["strength"], "loss": best[judge]})
        if penalty == "l2":
            x, y, out = _data(data, order)
            found = choose_scales(x[~out], y[~out], scale=KNOWN_SCALE[data])
            strength = (found.scale / found.prior_scale) ** 2
            loss = -found.log_evidence / int((~out).sum())
            rows.append(
                {"penalty": penalty, "judge": "the evidence, in closed form", "strength": strength, "loss": loss}
            )
    return rows


def _findings(tables: dict[str, Table]) -> list[str]:
    said = []
    for penalty in dict.fromkeys(r["penalty"] for r in tables["scores"]):
        rows, chosen = where(tables["scores"], penalty=penalty), where(tables["chosen"], penalty=penalty)
        said.append(f"{penalty}, strength by " + ", ".join(f"{r['judge']} {r['strength']:.3g}" for r in chosen))
        at = min(rows, key=lambda r: r["held_out_loss_predictive"])
        said.append(
            f"{penalty}, generalisation gap at the weakest penalty "
            f"{rows[0]['held_out_loss_map'] - rows[0]['training_loss_map']:.3f} nats an observation by the MAP, "
            f"{rows[0]['held_out_loss_predictive'] - rows[0]['training_loss_predictive']:.3f} by the predictive; "
            f"at strength {at['strength']:.3g} {at['held_out_loss_map'] - at['training_loss_map']:.3f} and "
            f"{at['held_out_loss_predictive'] - at['training_loss_predictive']:.3f}"
        )
        if penalty == "l1":
            zeros = max(rows, key=lambda r: r["num_zero_map"])
            said.append(
                f"l1 at strength {zeros['strength']:.3g}: {zeros['num_zero_map']} weights of the MAP are exactly zero, "
                f"{zeros['num_zero_mean']} of the posterior mean"
            )
    said += [
        f"‖w‖ ≤ {r['delta']:.4g} has the solution of λ = {r['strength']:.3g}, to {r['relative_gap']:.1g} of its length"
        for r in tables["constraint"]
    ]
    doubted = [r for r in tables["scores"] if not r["trusted"]]
    if doubted:
        said.append(f"{len(doubted)} of {len(tables['scores'])} evidences are not trusted")
    return said
