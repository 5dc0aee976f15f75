"""How does the page get to a browser? From this machine, to this machine."""

import importlib.util
import os
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from ..errors import UserError
from ..running import use_cache

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("page.py")


def serve(port: int, *, open_browser: bool = True, cache: bool = True) -> NoReturn:
    """Serve the page until Ctrl-C; port 0 takes any that is free."""
    if importlib.util.find_spec("marimo") is None:
        raise UserError("the page of sliders needs marimo; install it with: pip install 'bayes-sandbox[explore]'")
    import marimo
    import uvicorn

    if cache:
        use_cache()
    with suppress(KeyboardInterrupt), socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that just ended is no hindrance
        try:
            listening.bind((HOST, port))
        except OSError as error:
            why = f"port {port} is taken or not allowed ({error.strerror})"
            raise UserError(f"{why}; try --port 0, any free one") from None
        click.echo("compiling what the sliders need, a few seconds …", err=True)
        _prepare()
        served = marimo.create_asgi_app(quiet=True).with_app(path="", root=str(PAGE)).build()
        server = uvicorn.Server(uvicorn.Config(served, log_level="error", timeout_graceful_shutdown=1))
        listening.listen()  # whoever comes before the server does waits
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        click.echo(f"page: {address}  (Ctrl-C ends it)")
        if open_browser:
            webbrowser.open(address)
        server.run(sockets=[listening])
    sys.stdout.flush()
    os._exit(0)  # a session's threads would hold the process for as long as a browser might come back


def _prepare() -> None:
    """Compile and measure in this process what every visit of the page needs."""
    from ..explorer import Setting, densities_a_second, model_of, scene_at
    from ..regularization import explain

    scene_at(Setting())
    explain(model_of(Setting()))
    densities_a_second()
