"""A web server on 127.0.0.1 that serves a small data set well or badly; no network is needed."""

import pytest
from misbehaving_server import running_server


@pytest.fixture(scope="session", name="server")
def fixture_server():
    """One server for all tests of downloads."""
    pytest.importorskip("pooch", reason="downloads need pooch")
    with running_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Reach 127.0.0.1 directly, whatever the user's proxy settings."""
    monkeypatch.setenv("no_proxy", "*")
