"""Children that are copies of the process that makes them."""

from __future__ import annotations

import _thread

from playhead.proxy.processes.forking import spares


def test_a_process_with_threads_is_not_copied_even_if_python_does_not_list_them() -> None:
    begun, over = _thread.allocate_lock(), _thread.allocate_lock()
    begun.acquire()
    over.acquire()

    def work() -> None:
        begun.release()
        over.acquire()

    _thread.start_new_thread(work, ())
    begun.acquire()
    try:
        with spares(["playhead.proxy.processes.worker"]) as made:
            assert made.take("playhead.proxy.processes.worker") is None
    finally:
        over.release()
