"""What every test relies on: float64, and a JAX that says so before anything is compiled."""

import os

os.environ.setdefault("MPLBACKEND", "agg")

import bayes_sandbox  # noqa: F401  switches float64 on before JAX is used
