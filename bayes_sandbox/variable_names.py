"""Names of sites as names of variables in a DataTree or a netCDF file, and back."""

from urllib.parse import unquote

DIMS = {"chain", "draw", "step"}  # names that a variable with further dims cannot have


def to_variable(site: str) -> str:
    """Return a name that xarray and netCDF accept: percent-encoded where it has to be.

    A group's variables cannot contain a slash, which `numpyro.handlers.scope` puts into the names of sites.

    >>> to_variable("theta"), to_variable("school/theta"), to_variable("50%"), to_variable("draw")
    ('theta', 'school%2Ftheta', '50%25', '%64raw')
    """
    if site in DIMS:
        return f"%{ord(site[0]):02X}{site[1:]}"
    return site.replace("%", "%25").replace("/", "%2F")


def to_site(variable: str) -> str:
    """Return the site that a variable belongs to.

    >>> to_site(to_variable("school/theta")), to_site(to_variable("50%")), to_site(to_variable("draw"))
    ('school/theta', '50%', 'draw')
    """
    return unquote(variable)
