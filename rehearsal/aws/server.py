"""The server process: moto behind the request log, one request at a time."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

# Read when moto is imported. The default AMIs cost a second and are not those of the platform; cross-origin
# headers and Docker have no use here.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "rehearsal"

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer

from . import account, patches
from .control import TOKEN_VARIABLE, end_with_owner
from .middleware import RequestLog
from .state import HOST, State


class Handler(MotoRequestHandler):
    """Quiet, and without the 40 ms that Nagle's algorithm and delayed acknowledgements cost together."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are in the request log."""

    def address_string(self) -> str:
        """The plain address: no name lookup per request."""
        return str(self.client_address[0])


class Server(ThreadedWSGIServer):
    """Room for a burst of parallel clients; werkzeug's backlog of 128 is enough, its default of threads too."""

    daemon_threads = True


def serve(state: State, *, empty: bool) -> int:
    """Listen first, so that a taken port ends the process before anything else; then answer."""
    token = os.environ.pop(TOKEN_VARIABLE, "")
    state.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    patches.apply()
    application = RequestLog(
        DomainDispatcherApplication(create_backend_app), state.request_log, token=token, reset=account.reset
    )
    try:
        server: BaseWSGIServer = Server(HOST, state.port, application, Handler)
    except (OSError, SystemExit) as error:
        print(f"cannot listen on {HOST}:{state.port}: {error}", file=sys.stderr)
        return 1
    # Nothing is answered before serve_forever: nobody sees a default VPC that is about to go.
    account.reset(empty)
    application.clear()

    def finish(signum: int, frame: Any) -> None:
        # At once: all state is in memory and the log is unbuffered, while an orderly end takes a second.
        os._exit(0)

    end_with_owner()
    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    server.serve_forever()
    return 0
