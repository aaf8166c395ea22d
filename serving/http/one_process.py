"""One of the processes of a service; `serve_in_processes` starts it."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import threading

from .processes import read_given
from .run import answer
from .shared_folder import SharedFolder


def main() -> None:
    """Answer requests until SIGTERM, or until the process that has started this one is gone."""
    checkpoint, settings, descriptor, folder, number = read_given(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with socket.socket(fileno=descriptor) as listener:
        try:
            answer(checkpoint, settings, listener, _ready, shared=SharedFolder(folder, number))
        except (OSError, ValueError, ImportError) as error:
            _tell({"error": str(error)})
            sys.exit(2)
        finally:
            gc.freeze()  # else the interpreter would look for garbage among millions of objects before it ends


def _ready() -> None:
    gc.freeze()  # what is loaded stays, so it need not be looked at again
    _tell({"ready": True})


def _tell(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not `sys.stdin.read`, which holds a lock that the end of the interpreter takes
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
