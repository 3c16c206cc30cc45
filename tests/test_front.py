"""Tests of the one address behind which the server of the running test is, with real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from playhead.proxy.testing.front import Front

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, each of one connection after the other: what it does with one, and its port."""
    with ExitStack() as stack:

        def started(does: Callable[[socket.socket], None]) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def work() -> None:
                while True:
                    try:
                        connection = listener.accept()[0]
                    except OSError:  # the test is over
                        return
                    with connection:
                        does(connection)

            threading.Thread(target=work, daemon=True).start()
            port: int = listener.getsockname()[1]
            return port

        yield started


def saying(word: bytes) -> Callable[[socket.socket], None]:
    """A server that says that for everything it hears."""

    def does(connection: socket.socket) -> None:
        while connection.recv(100):
            connection.sendall(word)

    return does


def connected(front: Front) -> socket.socket:
    host, port = front.address.split(":")
    return socket.create_connection((host, int(port)), timeout=5)


@pytest.fixture
def fronted() -> Iterator[Callable[[int], Front]]:
    with ExitStack() as stack:

        def made(port: int) -> Front:
            front = Front(port)
            stack.callback(front.close)
            return front

        yield made


def test_bytes_are_passed_on_to_the_server_that_is_behind(serve: Serve, fronted: Callable[[int], Front]) -> None:
    front = fronted(serve(saying(b"one")))
    with connected(front) as client:
        client.sendall(b"?")

        assert client.recv(100) == b"one"


def test_after_a_turn_new_connections_lead_to_the_other_server(serve: Serve, fronted: Callable[[int], Front]) -> None:
    front = fronted(serve(saying(b"one")))
    front.turn(serve(saying(b"two")))
    with connected(front) as client:
        client.sendall(b"?")

        assert client.recv(100) == b"two"


def test_a_connection_that_was_kept_open_ends_with_a_turn(serve: Serve, fronted: Callable[[int], Front]) -> None:
    front = fronted(serve(saying(b"one")))
    with connected(front) as client:
        client.sendall(b"?")
        client.recv(100)
        front.turn(serve(saying(b"two")))

        assert client.recv(100) == b""


def test_a_connection_lives_on_where_the_next_test_has_the_same_server(serve: Serve, fronted: Callable[[int], Front]) -> None:
    port = serve(saying(b"one"))
    front = fronted(port)
    with connected(front) as client:
        client.sendall(b"?")
        client.recv(100)
        front.turn(port)
        client.sendall(b"?")

        assert client.recv(100) == b"one"


def test_an_answer_that_ends_with_its_connection_comes_whole(serve: Serve, fronted: Callable[[int], Front]) -> None:
    answer = bytes(range(256)) * 20_000
    front = fronted(serve(lambda connection: connection.sendall(answer)))
    got = bytearray()
    with connected(front) as client:
        while data := client.recv(1 << 20):
            got += data

    assert bytes(got) == answer


def test_a_reset_is_passed_on_as_a_reset(serve: Serve, fronted: Callable[[int], Front]) -> None:
    def resets(connection: socket.socket) -> None:
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    front = fronted(serve(resets))
    with connected(front) as client:
        client.sendall(b"?")

        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_client_that_leaves_is_seen_by_the_server(serve: Serve, fronted: Callable[[int], Front]) -> None:
    left = threading.Event()

    def waits(connection: socket.socket) -> None:
        while connection.recv(100):
            pass
        left.set()

    front = fronted(serve(waits))
    with connected(front) as client:
        client.sendall(b"?")

    assert left.wait(5)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_client_that_does_not_read_holds_up_neither_a_turn_nor_the_end(serve: Serve, leaves: bool) -> None:
    full = threading.Event()

    def pours(connection: socket.socket) -> None:
        connection.recv(100)
        connection.settimeout(0.3)
        with suppress(TimeoutError):
            connection.sendall(bytes(1 << 28))
        full.set()
        connection.settimeout(None)
        with suppress(ConnectionResetError):
            while not leaves and connection.recv(100):
                pass

    def end() -> None:
        front.turn(other)
        front.close()

    front, other = Front(serve(pours)), serve(saying(b"two"))
    ending = threading.Thread(target=end, daemon=True)
    with connected(front) as client:
        client.sendall(b"?")
        assert full.wait(5)
        ending.start()
        ending.join(5)

        assert not ending.is_alive()
