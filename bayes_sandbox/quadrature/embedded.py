"""Pairs of rules on one cell: a fine sum, a crude one on the same nodes, and how rough the integrand is.

On [−1, 1]ᵈ with weights that sum to one: Gauss–Kronrod 7/15 on a line, a tensor of Gauss–Kronrod 3/7 on a square, and
Genz & Malik's degree 7/5 from three dimensions on, whose nodes grow like 2ᵈ instead of 7ᵈ.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

# Kronrod's nodes and weights, and Gauss's weights on every second node (Piessens et al. 1983, QUADPACK, qk15).
K15 = (
    (0.991455371120812639206854697526329, 0.022935322010529224963732008058970),
    (0.949107912342758524526189684047851, 0.063092092629978553290700663189204),
    (0.864864423359769072789712788640926, 0.104790010322250183839876322541518),
    (0.741531185599394439863864773280788, 0.140653259715525918745189590510238),
    (0.586087235467691130294144691693013, 0.169004726639267902826583426598550),
    (0.405845151377397166906606412076961, 0.190350578064785409913256402421014),
    (0.207784955007898467600689403773245, 0.204432940075298892414161999234649),
    (0.000000000000000000000000000000000, 0.209482141084727828012999174891714),
)
# The same for three Gauss nodes (Kronrod 1965).
K7 = (
    (0.960491268708020283423507092629080, 0.104656226026467265193823857192073),
    (0.774596669241483377035853079956480, 0.268488089868333440728569280666710),
    (0.434243749346802558002071502844628, 0.401397414775962222905051818618432),
    (0.000000000000000000000000000000000, 0.450916538658474142345110087045571),
)

FITTED = {1: 8, 2: 4, 3: 2}  # total degree of the polynomial that stands for the integrand within a cell


@dataclass(frozen=True)
class Embedded:
    """Nodes (n, d) in [−1, 1]ᵈ, weights of the fine and of the crude sum (n,), and differences (d, m, n).

    The roughness of an integrand g along axis j is Σ_m |differences[j, m] · g|: what the crude sum would lose there.
    """

    nodes: np.ndarray
    fine: np.ndarray
    crude: np.ndarray
    differences: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def powers(self) -> np.ndarray:
        """The degrees (b, d) of the Legendre products that are fitted to a cell's nodes; the constant comes first."""
        d = self.nodes.shape[1]
        rows = itertools.product(range(FITTED[min(d, 3)] + 1), repeat=d)
        return np.array(sorted((r for r in rows if sum(r) <= FITTED[min(d, 3)]), key=sum))

    def basis(self, points: np.ndarray) -> np.ndarray:
        """Return the products of Legendre polynomials at points (n, d) of [−1, 1]ᵈ, as (n, b); each has mean 0 but
        the first, so that the first coefficient of a fit is its mean."""
        table = np.polynomial.legendre.legvander(points, FITTED[min(points.shape[1], 3)])  # (n, d, degree)
        product = np.ones((len(points), len(self.powers)))
        for j, degrees in enumerate(self.powers.T):
            product *= table[:, j, degrees]
        return product

    @cached_property
    def projection(self) -> np.ndarray:
        """The matrix (b, n) that fits the products to values at the nodes by least squares."""
        return np.linalg.pinv(self.basis(self.nodes))


@lru_cache
def embedded(dimension: int) -> Embedded:
    """Return the pair of rules for cells of this dimension.

    >>> rule = embedded(3)
    >>> len(rule), float(rule.fine @ (rule.nodes**2).prod(axis=1)).__round__(12)  # the mean of x²y²z² is 1/27
    (33, 0.037037037037)
    """
    if dimension == 1:
        return _tensor(K15, 1)
    if dimension == 2:
        return _tensor(K7, 2)
    return _genz_malik(dimension)


def _line(table: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes, Kronrod weights and Gauss weights (zero where Gauss has no node), all summing to one."""
    half = np.array(table)
    nodes = np.r_[-half[:, 0], half[-2::-1, 0]]
    fine = np.r_[half[:, 1], half[-2::-1, 1]] / 2
    crude = np.zeros_like(fine)
    crude[1::2] = np.polynomial.legendre.leggauss(len(nodes) // 2)[1] / 2
    return nodes, fine, crude


def _tensor(table: tuple[tuple[float, float], ...], dimension: int) -> Embedded:
    nodes, fine, crude = _line(table)
    size = len(nodes)
    grid = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    both = [_outer([w] * dimension) for w in (fine, crude)]
    rough = np.zeros((dimension, size ** (dimension - 1), size**dimension))
    for j in range(dimension):
        for m, line in enumerate(itertools.product(range(size), repeat=dimension - 1)):
            others = [np.eye(size)[i] * fine[i] for i in line]
            rough[j, m] = _outer([*others[:j], fine - crude, *others[j:]])
    return Embedded(grid, both[0], both[1], rough)


def _outer(weights: list[np.ndarray]) -> np.ndarray:
    product = weights[0]
    for w in weights[1:]:
        product = np.multiply.outer(product, w)
    return product.ravel()


def _genz_malik(d: int) -> Embedded:
    """Genz & Malik (1983), section 3: full symmetry, degree 7, with a degree 5 rule on the same nodes."""
    near, far, corner = np.sqrt(9 / 70), np.sqrt(9 / 10), np.sqrt(9 / 19)
    eye = np.eye(d)
    axes = [s * length * eye[j] for length in (near, far) for j in range(d) for s in (1, -1)]
    pairs = [
        far * (a * eye[i] + b * eye[j])
        for i, j in itertools.combinations(range(d), 2)
        for a, b in itertools.product((1, -1), repeat=2)
    ]
    corners = [corner * np.array(signs) for signs in itertools.product((1.0, -1.0), repeat=d)]
    nodes = np.array([np.zeros(d), *axes, *pairs, *corners])
    counts = (1, 2 * d, 2 * d, len(pairs), 2**d)
    fine = (
        (12824 - 9120 * d + 400 * d**2) / 19683,
        980 / 6561,
        (1820 - 400 * d) / 19683,
        200 / 19683,
        6859 / 19683 / 2**d,
    )
    crude = ((729 - 950 * d + 50 * d**2) / 729, 245 / 486, (265 - 100 * d) / 1458, 25 / 729, 0.0)
    rough = np.zeros((d, 1, len(nodes)))
    for j in range(d):  # a fourth difference: second differences at two lengths, which agree on a parabola
        inner, outer = [1 + 2 * j, 2 + 2 * j], [1 + 2 * d + 2 * j, 2 + 2 * d + 2 * j]
        rough[j, 0, inner], rough[j, 0, outer] = 1.0, -((near / far) ** 2)
        rough[j, 0, 0] = -2 * (1 - (near / far) ** 2)
    return Embedded(nodes, np.repeat(fine, counts), np.repeat(crude, counts), rough)
