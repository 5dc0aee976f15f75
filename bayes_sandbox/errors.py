"""What can be wrong before any fit starts, and how a name is suggested for one that is misspelt."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend. The sentence is shown as it stands, without a traceback."""


class ModelError(UserError):
    """A model that cannot mean what its author wanted. The sentence says what was expected, what came, what to try."""


class SamplingError(RuntimeError):
    """NUTS found no place to start: no draw and no wide guess had a finite density."""


class EvidenceError(UserError):
    """An estimator was asked for by name that this model, these draws or this installation cannot serve."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' or the list of what there is.

    >>> suggestion("slop", ["slope", "intercept"])
    "; did you mean 'slope'?"
    >>> suggestion("z", ["mu"])
    '; there is: mu'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is: {', '.join(known)}" if known else "; there are none"
