"""Standard output holds the results and nothing else, whatever a model prints, and however it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOUD = """
import atexit
import os
import sys
import jax
import numpyro
import numpyro.distributions as dist
import bayes_sandbox as bs

said = {"load", "program"} if __name__ == "__main__" else set()  # until main(), standard output is the script's

def say(where):
    if where in said:
        return
    said.add(where)
    print(f"print, {where}")
    sys.stdout.write(f"write, {where}\\n")
    sys.__stdout__.write(f"first stream, {where}\\n")
    sys.__stdout__.flush()
    os.write(1, f"descriptor, {where}\\n".encode())
    os.system(f"echo child, {where}")
    if where != "program":  # a print in the density itself takes minutes
        jax.jit(lambda x: jax.debug.print(f"compiled, {where}, {{}}", x))(0.5)

def program():
    say("program")
    p = numpyro.sample("p", dist.Beta(1, 1))
    numpyro.sample("y", dist.Binomial(10, p), obs=2)

say("load")
atexit.register(say, "exit")
model = bs.Model.from_numpyro(program)
if __name__ == "__main__":
    said.clear()
    bs.main(model)
"""
WAYS = ("print", "write", "first stream", "descriptor", "child")


@pytest.mark.parametrize(
    ("command", "places"),
    [(["-m", "bayes_sandbox", "run", "loud.py"], ("load", "program", "exit")), (["loud.py"], ("program", "exit"))],
)
def test_json_alone_is_on_standard_output(command: list[str], places: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    options = ["--methods", "none", "--evidence", "none", "--json", "--no-progress", "--no-cache", "--out", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command, *options], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["parameters"] == ["p"]
    for place in places:
        for how in WAYS:
            assert f"{how}, {place}" in done.stderr
        assert f"compiled, {place}" in done.stderr or place == "program"


def test_a_closed_standard_output_is_no_failure(tmp_path: Path) -> None:
    code = (
        "import sys; sys.stdout = None\n"
        "from bayes_sandbox.standard_output import results_only\n"
        "with results_only() as output: print(output, 'said')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == ""
    assert "None said" in done.stderr
