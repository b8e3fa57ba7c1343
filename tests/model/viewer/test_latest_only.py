import threading

import pytest

from shapegan.model.viewer.latest_only import LatestOnly


def test_only_the_last_of_the_waiting_requests_is_processed():
    begun, go, done = threading.Event(), threading.Event(), []

    def work(request):
        begun.set()
        go.wait(10)
        done.append(request)

    latest = LatestOnly(work)
    latest.submit(0)
    assert begun.wait(10)
    for request in range(1, 50):
        latest.submit(request)
    assert not latest.idle
    go.set()
    assert latest.wait(10)
    latest.close()
    assert done == [0, 49]


def test_an_error_in_the_work_is_raised_where_it_is_waited_for():
    latest = LatestOnly(lambda request: 1 / request)
    latest.submit(1)
    assert latest.wait(10)
    latest.submit(0)
    with pytest.raises(ZeroDivisionError):
        latest.wait(10)
    with pytest.raises(ZeroDivisionError):
        latest.check()
    latest.close()
