"""How many digits does a number deserve? As many as its error leaves; plain words for counts and times."""

import math
import re

MOST_DECIMALS = 10
NONE = "—"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

SECOND = 1.0
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365.25 * DAY
AGE_OF_UNIVERSE = 13.8e9 * YEAR  # Planck Collaboration 2018, VI, table 2

UNITS = ((YEAR, "years"), (DAY, "days"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1e-3, "ms"), (1e-6, "µs"))


def number(value: float | None) -> float:
    """Return a number of the document, in which what is not finite is None, as a float.

    >>> number(None), number(2.0)
    (nan, 2.0)
    """
    return math.nan if value is None else float(value)


def brief(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without padding, a zero-filled exponent or a negative zero.

    >>> brief(0.0012186), brief(3.8e29), brief(26.0), brief(math.nan), brief(-0.0), brief(2.947e-9, 2)
    ('0.00122', '3.8e29', '26', '—', '0', '2.9e-9')
    """
    if not math.isfinite(value):
        return NONE
    mantissa, _, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def decimals(error: float, digits: int = 2) -> int | None:
    """Return how many decimals show so many digits of an error; None where it has none to show.

    >>> decimals(0.0052), decimals(139.0), decimals(math.inf)
    (4, -1, None)
    """
    if not (math.isfinite(error) and error > 0):
        return None
    return min(digits - 1 - math.floor(math.log10(error)), MOST_DECIMALS)


def rounded(value: float, error: float, digits: int = 2) -> str:
    """Return a value with the digits that its error leaves standing.

    >>> rounded(-2.3026897, 0.0052), rounded(0.0, 0.01), rounded(123456.0, 2000.0), rounded(0.5, math.nan)
    ('-2.3027', '0.000', '123500', '0.5')
    """
    places = decimals(error, digits)
    if not math.isfinite(value) or places is None:
        return brief(value, 4)
    if abs(value) >= 1e7:
        return brief(value, max(digits, places + 1 + math.floor(math.log10(abs(value)))))
    shown = f"{round(value, places):.{max(places, 0)}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def plus_minus(value: float, error: float) -> str:
    """Return 'value ± error', both with the digits of the error.

    >>> plus_minus(-2.3026897, 0.0052078), plus_minus(-2.30258509299, 2.947e-9), plus_minus(-56.2, math.nan)
    ('-2.3027 ± 0.0052', '-2.3025850930 ± 2.9e-9', '-56.2 ± unknown')
    """
    if not math.isfinite(value):
        return NONE
    if not math.isfinite(error):
        return f"{brief(value, 4)} ± unknown"
    shown = rounded(error, error) if error >= 1e-4 else brief(error, 2)
    return f"{rounded(value, error)} ± {shown}"


def probability(value: float, error: float) -> str:
    """Return a probability with the digits that its error leaves, never rounded to certainty.

    >>> probability(0.98765, 0.0021), probability(3.2e-11, 1e-13), probability(1 - 1e-9, 1e-12)
    ('0.9877 ± 0.0021', '3.2e-11', '> 0.9999')
    """
    if not math.isfinite(value):
        return NONE
    if value > 0.9999:
        return "> 0.9999"
    if error < 1e-4 or value < 1e-4:
        return brief(value, 4 if value >= 1e-4 else 2)
    return f"{rounded(value, error)} ± {rounded(error, error)}"


def count(value: float) -> str:
    """Return a count with separators, or as a power of ten where nobody would read the digits.

    >>> count(36864), count(3486784401.0), count(9.0)
    ('36,864', '3.5e9', '9')
    """
    return f"{value:,.0f}" if value < 1e7 else brief(value, 2)  # NaN is not below anything


def duration(seconds: float) -> str:
    """Return a time in the unit a person would use.

    >>> duration(6.5e-7), duration(0.76), duration(481), duration(8.7e11), duration(2e24)
    ('0.65 µs', '760 ms', '8 min', '28,000 years', '6.3e16 years')
    """
    if not math.isfinite(seconds):
        return NONE
    if seconds == 0:
        return "0 s"
    size, unit = next(((s, u) for s, u in UNITS if seconds >= s), UNITS[-1])
    amount = seconds / size
    if amount < 10:
        return f"{brief(amount, 2)} {unit}"
    return f"{float(brief(amount, 2)):,.0f} {unit}" if amount < 1e7 else f"{brief(amount, 2)} {unit}"


def typeset(text: str) -> str:
    """Return text with true minus signs and powers of ten.

    >>> typeset("-2.30258 ± 2.9e-9")
    '−2.30258 ± 2.9 × 10⁻⁹'
    """
    powers = re.sub(r"(?<=\d)e(-?\d+)", lambda m: f" × 10{m[1].translate(RAISED)}", text)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", powers)
