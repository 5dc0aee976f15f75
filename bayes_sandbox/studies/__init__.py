"""Why is the evidence integral hard? Experiments over many models: each a function, tables, a figure, a page."""

import importlib
from typing import Any

from ..errors import UserError, suggestion

# Study → what it asks. The function is `study_NAME`, in a module of that name.
STUDIES = {
    "dimension": "How does each way to the evidence fare as parameters are added?",
    "problems": "Which problems does each estimator solve? Is it ever wrong?",
    "calibration": "Are the errors errors, and the posteriors posteriors?",
    "prior-width": "What does the width of a prior cost?",
    "order": "How many terms, predictors or components does a model need?",
    "sequential": "Does the order of data matter? How fast does a posterior learn?",
    "regularization": "How strong a penalty, how wide a prior?",
    "coordinates": "What stays and what moves under a change of variables?",
    "optimizers": "How does each optimizer get down, and at what cost?",
    "sensitivity": "How much hangs on the prior, and how much on the likelihood?",
}


def find_study(name: str) -> Any:
    """Return the function of a study, or raise `UserError` for a name that is none.

    >>> find_study("sequential").__name__
    'study_sequential'
    """
    if name not in STUDIES:
        raise UserError(f"there is no study {name!r}{suggestion(name, STUDIES)}; there are {', '.join(STUDIES)}")
    return getattr(importlib.import_module(f".{module_of(name)}", __name__), f"study_{module_of(name)}")


def module_of(name: str) -> str:
    return name.replace("-", "_")


def __getattr__(name: str) -> Any:
    """Load `study_NAME` from its module when it is first used."""
    for study in STUDIES:
        if name == f"study_{module_of(study)}":
            return find_study(study)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
