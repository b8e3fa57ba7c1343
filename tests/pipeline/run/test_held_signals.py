import signal
import threading

import pytest

from shapegan.pipeline.run.dask_pool import DaskPool
from shapegan.pipeline.run.held_signals import hold_interrupts


def test_an_interrupt_waits_for_the_end_of_the_block():
    before = signal.getsignal(signal.SIGINT)
    done = []

    def work():
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_in_the_block_restores_the_handlers():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), hold_interrupts():
        1 / 0  # noqa: B018
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_hold_nothing():
    found = []

    def run():
        with hold_interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_an_interrupt_leaves_no_half_built_future(monkeypatch):
    """The deletion of a future whose constructor was interrupted prints a traceback."""
    built = []

    class Future:
        key = "key"

        def __init__(self):
            signal.raise_signal(signal.SIGINT)
            built.append(self)

    class Client:
        loop = None

        def submit(self, *_, **__):
            return Future()

    class Completed(list):
        add = list.append

    monkeypatch.setattr("shapegan.pipeline.run.dask_pool.as_completed", lambda **_: Completed())
    pool = DaskPool(Client(), "plugin", 1)
    with pytest.raises(KeyboardInterrupt):
        pool.submit(object())
    assert len(built) == 1
