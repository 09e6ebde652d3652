"""A TCP proxy that cuts connections: the n-th one after so many bytes of its answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def proxy(url: str, cuts: Iterable[int]) -> Iterator[str]:
    """Give the URL of a proxy to the server at `url`.

    Args:
        url: the server's.
        cuts: after how many bytes of answers each connection is cut; later ones are whole.
    """
    passing = Passing(url, cuts)
    try:
        yield f"http://127.0.0.1:{passing.port}"
    finally:
        passing.stop()


class Passing:
    """Connections, and the threads that pass their bytes on."""

    def __init__(self, url: str, cuts: Iterable[int]) -> None:
        parts = urlsplit(url)
        self.server = (parts.hostname or "", parts.port or 80)
        self.cuts = iter(cuts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
            except OSError:
                return
            self.sockets += [client, server]
            self._start(self._pass, client, server, None)
            self._start(self._pass, server, client, next(self.cuts, None))

    def _pass(self, one: socket.socket, two: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while block := one.recv(1 << 16):
                two.sendall(block[:left])
                if left is not None:
                    left -= min(left, len(block))
                    if not left:
                        break
        close((one, two))

    def stop(self) -> None:
        close(self.sockets[:1])
        self.threads[0].join()
        close(self.sockets)
        for thread in self.threads:
            thread.join()
        for each in self.sockets:
            each.close()


def close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
