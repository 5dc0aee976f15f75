"""Can these draws be believed? ArviZ's diagnostics, by component, and what they say together."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

LARGEST_R_HAT, SMALLEST_ESS, SMALLEST_BFMI, LARGEST_SATURATED = 1.01, 400.0, 0.3, 0.02


@dataclass(frozen=True)
class Diagnostics:
    """R-hat, bulk and tail ESS and MCSE by component; counts over all draws; every complaint in a sentence."""

    r_hat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    mcse_mean: dict[str, float]
    mcse_sd: dict[str, float]
    num_divergent: int
    num_saturated: int
    bfmi: tuple[float, ...]
    complaints: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is to be complained of."""
        return not self.complaints


def diagnose(
    names: list[str], draws: dict[str, np.ndarray], stats: dict[str, np.ndarray], num_starts: int | None = None
) -> Diagnostics:
    """Return the diagnostics of draws name → (chain, draw, …), with the statistics that came along.

    Where several chains share a start, one after the other, R-hat is the nested one.
    """
    from arviz_stats.base import array_stats

    columns = np.concatenate([v.reshape(*v.shape[:2], -1) for v in draws.values()], axis=-1)
    constant = columns.std(axis=(0, 1)) == 0  # the fixed zeros of a Cholesky factor have no diagnostics
    kinds = {
        "r_hat": lambda x: (
            nested_r_hat(x, num_starts)
            if num_starts is not None and num_starts < len(x)
            else array_stats.rhat(x, chain_axis=0, draw_axis=1)
        ),
        "ess_bulk": lambda x: array_stats.ess(x, chain_axis=0, draw_axis=1, method="bulk"),
        "ess_tail": lambda x: array_stats.ess(x, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)),
        "mcse_mean": lambda x: array_stats.mcse(x, chain_axis=0, draw_axis=1, method="mean"),
        "mcse_sd": lambda x: array_stats.mcse(x, chain_axis=0, draw_axis=1, method="sd"),
    }
    found: dict[str, dict[str, float]] = {}
    for kind, measure in kinds.items():
        values = np.full(len(names), np.nan)
        if not constant.all():
            with np.errstate(all="ignore"):
                values[~constant] = measure(columns[..., ~constant])
        found[kind] = {name: float(v) for name, v in zip(names, values)}
    divergent = int(stats["diverging"].sum()) if "diverging" in stats else 0
    saturated = int(stats["reached_max_treedepth"].sum()) if "reached_max_treedepth" in stats else 0
    bfmi = tuple(float(b) for b in array_stats.bfmi(stats["energy"])) if "energy" in stats else ()
    share = saturated / max(columns.shape[0] * columns.shape[1], 1)
    return Diagnostics(
        **found,
        num_divergent=divergent,
        num_saturated=saturated,
        bfmi=bfmi,
        complaints=tuple(_complaints(found, divergent, share, bfmi)),
    )


def _complaints(
    found: dict[str, dict[str, float]], divergent: int, saturated: float, bfmi: tuple[float, ...]
) -> list[str]:
    said = []
    r_hat, ess = _worst(found["r_hat"], max), _worst(found["ess_bulk"], min)
    tail = _worst(found["ess_tail"], min)
    if np.isnan(r_hat[1]) and not all(np.isnan(v) for v in found["ess_bulk"].values()):
        said.append("R-hat is undefined: it needs at least two chains, or one that moves")
    elif not r_hat[1] < LARGEST_R_HAT:
        said.append(f"R-hat of {r_hat[0]} is {r_hat[1]:.3f} (should be below {LARGEST_R_HAT}): chains disagree")
    if not ess[1] > SMALLEST_ESS:
        said.append(f"bulk ESS of {ess[0]} is {ess[1]:.0f} (should be above {SMALLEST_ESS:.0f})")
    if not tail[1] > SMALLEST_ESS / 2:
        said.append(f"tail ESS of {tail[0]} is {tail[1]:.0f} (should be above {SMALLEST_ESS / 2:.0f})")
    if divergent:
        plural = "transition" if divergent == 1 else "transitions"
        said.append(f"{divergent} divergent {plural}: part of the posterior is too steep for the sampler")
    if saturated > LARGEST_SATURATED:
        said.append(f"{saturated:.0%} of draws reached the maximum tree depth")
    if bfmi and min(bfmi) < SMALLEST_BFMI:
        said.append(f"E-BFMI is {min(bfmi):.2f} (should be above {SMALLEST_BFMI}): energy levels mix slowly")
    return said


def _worst(values: dict[str, float], pick) -> tuple[str, float]:  # type: ignore[no-untyped-def]
    known = {k: v for k, v in values.items() if np.isfinite(v)}
    if not known:
        return "every parameter", np.nan
    name = pick(known, key=known.get)
    return name, known[name]


def nested_r_hat(draws: np.ndarray, num_starts: int) -> np.ndarray:
    """Return R-hat of short chains (chain, draw, n), of which those that share a start make one superchain.

    R² = 1 + B/W, with B the variance of the superchains' means and W the mean of the variances within them, of draws
    about their chain's mean and of these about the superchain's (Margossian et al. 2024, equations 7 and 8). Means of
    short chains scatter though all is well, those of a superchain do not. As in Vehtari et al. 2021 chains are split
    in halves, draws are replaced by normal scores of their ranks, and the larger of two answers counts: of the draws,
    and of their distances from the median.

    >>> x = np.random.default_rng(0).normal(size=(16, 100, 1))
    >>> bool(nested_r_hat(x, 4)[0] < 1.01 < nested_r_hat(x + np.arange(16).reshape(-1, 1, 1) // 4, 4)[0])
    True
    """
    from scipy.stats import rankdata

    chains, num, columns = draws.shape
    half = num // 2
    if half < 2:
        return np.full(columns, np.nan)
    halves = np.stack([draws[:, :half], draws[:, num - half :]])  # (half, chain, draw, n)
    found = []
    for values in (halves, np.abs(halves - np.median(halves, axis=(0, 1, 2)))):
        flat = values.reshape(-1, columns)
        scores = ndtri((rankdata(flat, axis=0) - 3 / 8) / (len(flat) + 1 / 4))
        nested = scores.reshape(2 * num_starts, chains // num_starts, half, columns)
        means, within = nested.mean(axis=2), nested.var(axis=2, ddof=1).mean(axis=(0, 1))
        if means.shape[1] > 1:
            within = within + means.var(axis=1, ddof=1).mean(axis=0)
        found.append(np.sqrt(1 + means.mean(axis=1).var(axis=0, ddof=1) / within))
    return np.maximum(*found)


def pareto_k(log_weights: np.ndarray) -> float:
    """Return the Pareto shape k-hat of importance weights (Vehtari et al. 2024): above 0.7 they are useless.

    It is −∞ where the largest are equal. ArviZ finds the same, but takes longer to import than many a sum takes.

    >>> z = np.random.default_rng(0).normal(size=4000)
    >>> pareto_k(-np.abs(z)) < 0.5 < pareto_k(z**2 / 3)  # bounded weights; weights without a variance
    True
    """
    finite = np.asarray(log_weights, float)
    finite = finite[np.isfinite(finite)]
    if len(finite) < 100:
        return np.inf
    weight = np.exp(np.maximum(finite - finite.max(), -700.0))  # only the upper tail is looked at
    tail = _tail(weight)
    if tail is None:
        return -np.inf
    threshold = np.partition(weight, -len(tail) - 1)[-len(tail) - 1]
    with np.errstate(all="ignore"):
        k_hat = _pareto_shape(tail - threshold)
    return k_hat if np.isfinite(k_hat) else np.inf


def _tail(weights: np.ndarray) -> np.ndarray | None:
    """Return the largest weights, or their logarithms, in order, as many as are fitted; None if they are all equal."""
    num = len(weights)
    tail = np.sort(weights)[-max(int(min(num / 5, 3 * num**0.5)), 5) :]
    return None if np.ptp(weights) < 1e-12 or np.ptp(tail) == 0 else tail


def _pareto_shape(excess: np.ndarray) -> float:
    """Return the shape of a generalised Pareto density of excesses over a threshold, in ascending order.

    k is the mean of log(1 − b x), and b the mean of its profile likelihood over a grid that leans on the lower quartile
    (Zhang & Stephens 2009); ten observations of k = ½ are added (Vehtari et al. 2024, appendix G).
    """
    num, size = len(excess), 30 + int(len(excess) ** 0.5)
    quartile = excess[int(num / 4 + 0.5) - 1]
    b = 1 / excess[-1] + (1 - np.sqrt(size / (np.arange(size) + 0.5))) / (3 * quartile)
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    log_likelihood = num * (np.log(-b / k) - k - 1)
    weight = np.exp(log_likelihood - log_likelihood.max())
    shape = np.log1p(-(b @ weight / weight.sum()) * excess).mean()
    return float((num * shape + 10 * 0.5) / (num + 10))


def smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return Pareto-smoothed weights that sum to one, and their shape k-hat: −∞ where the largest are equal."""
    from arviz_stats.base import array_stats

    if _tail(log_weights) is None:
        return np.exp(log_weights - np.logaddexp.reduce(log_weights)), -np.inf
    with np.errstate(all="ignore"):
        smooth, k_hat = array_stats.psislw(-log_weights)  # made for LOO: it wants the log weights negated
    return np.exp(smooth - np.logaddexp.reduce(smooth)), float(k_hat) if np.isfinite(k_hat) else np.inf
