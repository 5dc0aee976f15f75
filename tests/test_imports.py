"""The one import contract of the house: layers point down, and `import bayes_sandbox` loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bayes_sandbox"

# From the ground up; a module knows its own layer and those below it.
LAYERS = (
    {
        "arguments",
        "checkpoints",
        "compiler",
        "devices",
        "errors",
        "folders",
        "naming",
        "real_data",
        "rewriting",
        "seeds",
        "serialization",
        "sites",
        "standard_output",
        "supports",
        "work",
        "variable_names",
    },
    {"complement_rules", "complements", "counts", "distances", "rounding", "single"},
    {"transforms"},
    {"batches"},
    {"data", "inspection", "program", "records", "progress", "budget"},
    {"workers"},
    {"model", "coordinates", "regularization"},
    {"explorer", "problems", "variants"},
    {"optimization"},
    {"quadrature", "sampling", "draws", "diagnostics", "proposals", "straightening"},
    {"evidence"},
    {"comparison", "document", "identity"},
    {"datatree"},
    {"selection", "nesting"},
    {"report", "studies"},
    {"running", "scripts"},
    {"exploring", "studying"},
    {"cli", "__main__"},
)
UPWARD = {"to_datatree", "report", "plot", "summary"}  # methods that import what shows them, when they are called


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def home(path: Path) -> str:
    """Return the first part of a module's name under the package."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def layer(name: str) -> int:
    found = [i for i, names in enumerate(LAYERS) if name in names]
    assert found, f"bayes_sandbox/{name} is in no layer: say in test_imports where it belongs"
    return found[0]


def targets(path: Path, node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the homes inside the package that an import statement reaches."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    elif node.level:
        base = list(path.relative_to(PACKAGE).parent.parts)
        base = base[: len(base) - (node.level - 1)]
        start = [*base, *(node.module or "").split(".")] if node.module else base
        dotted = [".".join(["bayes_sandbox", *start, *([] if start else [a.name])]) for a in node.names]
    else:
        dotted = [node.module or ""]
    return [name.split(".")[1] for name in dotted if name.startswith("bayes_sandbox.")]


def imports(path: Path) -> list[tuple[str, str | None, bool]]:
    """Return (home reached, enclosing function or None, only for type checking) of every import within the package."""
    found = []

    def walk(node: ast.AST, function: str | None, typing: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.extend((target, function, typing) for target in targets(path, child))
            inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            walk(child, inside, typing or guarded)

    walk(ast.parse(path.read_text(encoding="utf-8")), None, False)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = home(path)
    for target, function, typing in imports(path):
        if typing or target == own or target.startswith("__"):
            continue
        upward = layer(target) > layer(own)
        assert not upward or function in UPWARD, f"{own} imports {target} from above, in {function or 'the module'}"


def test_there_are_no_circles_within_a_layer():
    graph: dict[str, set[str]] = {}
    for path in modules():
        reached = {t for t, function, typing in imports(path) if function is None and not typing}
        graph.setdefault(home(path), set()).update(reached - {home(path)})
    done: list[str] = []
    while graph:
        free = [name for name, reached in graph.items() if not reached & set(graph)]
        assert free, f"a circle among {sorted(graph)}"
        for name in free:
            done.append(name)
            del graph[name]
    assert len(done) == len({home(p) for p in modules()})


def users_of(words: set[str]) -> set[str]:
    """Return the files in which one of these names is imported or used as an attribute."""
    found = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0], *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Attribute):
                names = [node.attr]
            if words & set(names):
                found.add(str(path.relative_to(PACKAGE)))
    return found


def test_matplotlib_is_known_under_report_only():
    assert all(name.startswith("report/") for name in users_of({"matplotlib", "pyplot"}))


def test_nuts_is_made_in_sampling_only():
    assert users_of({"NUTS"}) == {"sampling/chains.py"}


def test_jacobians_are_taken_in_coordinates_only():
    assert users_of({"log_abs_det_jacobian"}) == {"transforms.py"}


HEAVY = ("jax", "numpyro", "arviz", "matplotlib", "scipy", "xarray")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import bayes_sandbox, sys; print([m for m in {HEAVY} if m in sys.modules], len(dir(bayes_sandbox)) > 10)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[] True"


def test_float64_is_on_whichever_comes_first():
    for order in ("import jax, bayes_sandbox", "import bayes_sandbox, jax"):
        code = f"{order}; print(jax.config.jax_enable_x64)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
        )
        assert done.stdout.strip() == "True", order


def test_every_public_name_is_there():
    import bayes_sandbox as bs

    for name in bs.__all__:
        assert getattr(bs, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fit_mpa'"):
        bs.fit_mpa  # noqa: B018


@pytest.mark.parametrize("submodule", ["distributions", "infer"])
def test_who_imports_arviz_first_has_a_whole_numpyro(submodule):
    """ArviZ has NumPyro loaded lazily, which makes a package of it twice, the second time without its modules."""
    code = (
        f"import arviz_base, numpyro.{submodule}, numpyro, bayes_sandbox as bs\n"
        "import numpyro.distributions as dist\n"
        "def program():\n"
        "    p = numpyro.sample('p', dist.Beta(2, 2))\n"
        "    numpyro.factor('twice', 2 * dist.Bernoulli(p).log_prob(1))\n"
        "model = bs.Model.from_numpyro(program)\n"
        "print(numpyro.infer.util.log_density is not None, bs.fit_map(model).params['p'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    said, mode = done.stdout.split()
    assert said == "True"
    assert float(mode) == pytest.approx(3 / 4, abs=1e-6)


def test_a_first_sum_loads_no_library_of_statistics():
    """They take longer to import than a model takes to be summed, and no sum needs them."""
    code = (
        "import sys, bayes_sandbox as bs, bayes_sandbox.comparison, numpyro.distributions as dist\n"
        "model = bs.Model({'p': dist.Beta(2, 2)}, lambda p: dist.Binomial(10, p), observed=3)\n"
        "assert bs.fit_grid(model).evidence.trusted\n"
        "print([m for m in ('arviz_stats', 'scipy.stats', 'xarray', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"
