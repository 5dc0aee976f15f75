"""What can be wrong before any fit starts, and how a name is suggested for one that is misspelt."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend. The sentence is shown as it stands, without a traceback."""


class ArgumentError(UserError):
    """An argument with a value that a public function cannot use. The sentence names the argument."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a type that a public function cannot use; Python code may catch it as a `TypeError`."""


class ModelError(UserError):
    """A model that cannot mean what its author wanted. The sentence says what was expected, what came, what to try."""


class SamplingError(RuntimeError):
    """NUTS found no place to start: no draw and no wide guess had a finite density."""


class EvidenceError(UserError):
    """An estimator was asked for by name that this model, these draws or this installation cannot serve."""


def is_internal(error: Exception) -> bool:
    """Whether an exception inside a step is the step's own, not an answer to what the user asked for.

    Arguments are validated before the first step: an `ArgumentError` inside one is not about them.

    >>> is_internal(ZeroDivisionError()), is_internal(EvidenceError()), is_internal(ArgumentError())
    (True, False, True)
    """
    return not isinstance(error, UserError) or isinstance(error, ArgumentError)


FAILED = "failed: "
MAX_MESSAGE = 300  # characters of another library's message that a sentence repeats


def failure(error: BaseException) -> str:
    """Return the one-line reason for a step that raised an exception of its own.

    >>> failure(ZeroDivisionError("division\\n by zero"))
    'failed: ZeroDivisionError: division by zero'
    """
    text = " ".join(str(error).split())[:MAX_MESSAGE]
    return f"{FAILED}{type(error).__name__}" + (f": {text}" if text else "")


def has_failed(reason: str) -> bool:
    """Whether a reason is that of a step that raised an exception.

    >>> has_failed(failure(ZeroDivisionError())), has_failed("a grid does not fit")
    (True, False)
    """
    return reason.startswith(FAILED)


def suggestion(name: object, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' or the list of what there is.

    >>> suggestion("slop", ["slope", "intercept"])
    "; did you mean 'slope'?"
    >>> suggestion("z", ["mu"])
    '; there is: mu'
    """
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is: {', '.join(known)}" if known else "; there are none"
