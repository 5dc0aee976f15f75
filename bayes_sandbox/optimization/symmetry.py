"""Which modes are images of one another? Relabellings and changes of sign that leave the density as it is.

A mixture does not know which of its components is the first: its posterior has k! equal images, label switching. An
integral has to count all of them, and a fit that stays in one describes them all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..coordinates import NUM_PARTS, Coordinates
from ..model import Model

MOST_SITES = 4  # of which every subset is tried
MOST_IMAGES = 256  # the changes of sign of eight numbers; of relabellings, those of five components
MOST_CANDIDATES = 400
FAR = 40.0  # a position at which an interval has come to its end
MOST_ENTRIES = 8  # whose signs are changed one by one
FEWEST = 4  # points of finite density that must agree
SAME = 1e-9
RTOL, ATOL = 1e-6, 1e-12  # between two images that are one
ON_SUPPORT = 1e-6


@dataclass(frozen=True)
class Symmetry:
    """A map of the flat params, θ → shift + sign · θ[source], under which log p(D, θ) does not change."""

    source: np.ndarray
    sign: np.ndarray
    shift: np.ndarray
    text: str
    relabels: bool

    def __call__(self, flat: np.ndarray) -> np.ndarray:
        return self.shift + flat[..., self.source] * self.sign


def find_symmetries(
    model: Model, coords: Coordinates, points: np.ndarray, modes: Sequence[np.ndarray]
) -> list[Symmetry]:
    """Return the symmetries among the likely ones that move the highest mode, as few as generate all its images.

    They are held against the density at points (n, num_params). `modes` are flat params of modes, the highest first:
    two with the same numbers in another order suggest a map.
    """
    turns = _turns(model, coords)
    swaps = [*_relabellings(model), *_between(model, modes)]
    candidates = [*swaps, *turns, *(_after(s, t) for s in swaps for t in turns)][:MOST_CANDIDATES]
    if not candidates or len(points) < FEWEST:
        return []
    here = _log_joint(coords, points)
    found: list[Symmetry] = []
    for one, there in zip(candidates, _log_joint(coords, np.array([c(points) for c in candidates]))):
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is no number, and not the same
            same = np.abs(there - here) <= SAME * (1 + np.abs(here))
        if same.all() and len(images([*found, one], modes[0])) > len(images(found, modes[0])):
            found.append(one)
    return found


def images(symmetries: Sequence[Symmetry], flat: np.ndarray) -> np.ndarray:
    """Return every distinct image of one point under all that the symmetries generate, the point itself first."""
    orbit, size, seen = np.zeros((MOST_IMAGES, len(flat))), 1, 0
    orbit[0] = flat
    while seen < size:
        point, seen = orbit[seen], seen + 1
        for one in symmetries:
            image = one(point)
            known = (np.abs(orbit[:size] - image) <= ATOL + RTOL * np.abs(image)).all(axis=1).any()
            if size < MOST_IMAGES and not known:
                orbit[size], size = image, size + 1
    return orbit[:size]


def images_sentence(symmetries: Sequence[Symmetry], num_images: int) -> str:
    """Return how many images of a point there are, and by what."""
    name = " (label switching)" if all(s.relabels for s in symmetries) else ""
    how = "; ".join(s.text for s in symmetries[:3]) + ("; …" if len(symmetries) > 3 else "")
    most = "at least " if num_images >= MOST_IMAGES else ""
    return f"the highest mode has {most}{num_images} mirror images{name}: {how} leaves the density as it is"


def _log_joint(coords: Coordinates, flat: np.ndarray) -> np.ndarray:
    positions = coords.unconstrain_many(coords.unflatten(flat), flat.shape[:-1])
    inside = np.isfinite(positions).all(axis=-1)
    found = coords.everything_many(np.where(inside[..., None], positions, 0.0))
    # An image off the support, such as shares that do not sum to one, is none: its position is another point's.
    back = found[..., NUM_PARTS:]
    inside &= (np.abs(back - flat) <= ON_SUPPORT * (1 + np.abs(flat))).all(axis=-1)
    return np.where(inside, found[..., 0] + found[..., 1], -np.inf)


def _relabellings(model: Model) -> Iterator[Symmetry]:
    """Exchange two neighbours along the first axis of every site of that length, or of some of these sites."""
    shapes = {n: s for n, s in model.structure.shapes.items() if s and s[0] > 1}
    for length in sorted({s[0] for s in shapes.values()}):
        sites = [n for n, s in shapes.items() if s[0] == length]
        for chosen in _subsets(sites):
            for i in range(length - 1):
                order = np.r_[:i, i + 1, i, i + 2 : length]
                source = _flat(model, {n: a[order] if n in chosen else a for n, a in _numbered(model).items()})
                text = f"exchanging {' and '.join(f'{n}[{i}] with {n}[{i + 1}]' for n in chosen)}"
                yield _swap(source, text)


def _turns(model: Model, coords: Coordinates) -> list[Symmetry]:
    """Turn whole sites over, or single entries where there are few: x → −x, or an interval end for end."""
    numbered = _numbered(model)
    identity = _flat(model, numbered)
    sets = [(_flat(model, {n: numbered[n] for n in chosen}), " and ".join(chosen)) for chosen in _subsets(numbered)]
    if len(identity) <= MOST_ENTRIES:
        sets += [(np.array([i]), model.parameters[i]) for i in identity]
    ends = coords.flat_many(np.array([[-FAR], [FAR]]) * np.ones(coords.dimension))
    middle = np.where(np.isin(coords.own_axis, np.flatnonzero(coords.finite_axes)), ends.sum(axis=0), 0.0)
    turned = []
    for entries, name in sets:
        chosen = np.isin(identity, entries)
        sign, shift = np.where(chosen, -1.0, 1.0), np.where(chosen, middle, 0.0)
        text = f"turning {name} end for end" if shift.any() else f"changing the sign of {name}"
        turned.append(Symmetry(identity, sign, shift, text, relabels=False))
    return turned


def _after(swap: Symmetry, turn: Symmetry) -> Symmetry:
    """Return the two in a row: the weight of the first of two components becomes that of the second."""
    return Symmetry(swap.source, turn.sign, turn.shift, f"{swap.text} and {turn.text}", relabels=True)


def _between(model: Model, modes: Sequence[np.ndarray]) -> Iterator[Symmetry]:
    """Match the numbers of the first mode with those of another: parameters that are scalars each have no axis."""
    for other in modes[1:]:
        first, second = np.argsort(modes[0]), np.argsort(other)
        if not np.allclose(modes[0][first], other[second], rtol=1e-4, atol=1e-8):
            continue
        source = np.empty(len(other), int)
        source[second] = first
        moved = np.flatnonzero(source != np.arange(len(source)))
        pairs = [f"{model.parameters[i]} with {model.parameters[source[i]]}" for i in moved if i < source[i]]
        yield _swap(source, f"exchanging {' and '.join(pairs)}")


def _swap(source: np.ndarray, text: str) -> Symmetry:
    return Symmetry(source, np.ones(len(source)), np.zeros(len(source)), text, relabels=True)


def _subsets(sites: Sequence[str] | dict[str, np.ndarray]) -> Iterator[tuple[str, ...]]:
    """Return all sites, then, where they are few, every smaller choice of them."""
    names = tuple(sites)
    yield names
    if len(names) <= MOST_SITES:
        for size in range(len(names) - 1, 0, -1):
            yield from combinations(names, size)


def _numbered(model: Model) -> dict[str, np.ndarray]:
    """Return every site's entries numbered as they stand in the flat params."""
    numbers, start = {}, 0
    for name, shape in model.structure.shapes.items():
        size = int(np.prod(shape))
        numbers[name] = np.arange(start, start + size).reshape(shape)
        start += size
    return numbers


def _flat(model: Model, arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([arrays[n].reshape(-1) for n in model.structure.shapes if n in arrays])
