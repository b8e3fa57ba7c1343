import os
import signal

import pytest

from shapegan.model.training.interruption import Interruption

each_signal = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@each_signal
def test_the_first_signal_is_a_flag(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested
    assert signal.getsignal(number) is before


def test_a_second_interrupt_acts_as_before() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        _twice(interruption)


def _twice(interruption: Interruption) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.requested
    os.kill(os.getpid(), signal.SIGINT)


def test_sigterm_may_come_again_and_again() -> None:
    """As from a job system, which sends it to all processes of a job, and once more by torchrun."""
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
    assert signal.getsignal(signal.SIGTERM) is before


@each_signal
def test_handlers_come_back_after_an_error(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(ZeroDivisionError), Interruption():
        _divide(0)
    assert signal.getsignal(number) is before


def _divide(by: int) -> float:
    return 1 / by
