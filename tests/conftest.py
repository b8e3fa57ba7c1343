import signal


def pytest_configure():
    """What runs in the background of a shell may have Ctrl-C switched off; tests send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
