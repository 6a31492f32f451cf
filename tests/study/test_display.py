"""The display of a sweep: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from study.display import SweepDisplay

from ae_numpy import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def watch_a_sweep(display) -> None:
    """Two models of two epochs, side by side."""
    with display:
        for epoch, model in ((1, "a"), (1, "b"), (2, "a"), (2, "b")):
            display.update(
                SimpleNamespace(model=model, epoch=epoch, epochs=2, mse=0.25 / epoch, work=1.0)
            )


def interrupt_a_sweep(display) -> None:
    with display:
        display.update(SimpleNamespace(model="a", epoch=1, epochs=2, mse=0.25, work=1.0))
        raise KeyboardInterrupt


def test_a_sweep_writes_a_line_per_model_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    watch_a_sweep(SweepDisplay(4.0, 2))
    lines = sys.stderr.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("a: mse 0.1250 after epoch 2; 1 of 2 models, about ")
    assert lines[1].startswith("b: mse 0.1250 after epoch 2; 2 of 2 models, about 0 s left")


def test_an_epoch_that_is_reported_twice_counts_once(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    display = SweepDisplay(4.0, 2)
    with display:
        display.update(SimpleNamespace(model="a", epoch=1, epochs=2, mse=0.25, work=1.0))
    watch_a_sweep(display)
    assert display._done == 4.0
    assert "2 of 2 models, about 0 s left" in sys.stderr.getvalue()


def test_a_sweep_draws_bars_on_a_terminal(monkeypatch):
    pytest.importorskip("tqdm", reason="bars need tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    display = SweepDisplay(4.0, 2)
    watch_a_sweep(display)
    drawn = sys.stderr.getvalue()
    for part in ("all models", "epoch 0/2", "2/2 models"):
        assert part in drawn
    assert display._bars == {}


def test_a_sweep_that_is_interrupted_closes_its_bars(monkeypatch):
    pytest.importorskip("tqdm", reason="bars need tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    display = SweepDisplay(4.0, 2)
    with pytest.raises(KeyboardInterrupt):
        interrupt_a_sweep(display)
    assert display._bars["a"].disable  # what tqdm calls a bar that is closed


def test_a_sweep_writes_lines_on_a_terminal_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    watch_a_sweep(SweepDisplay(4.0, 2))
    assert len(sys.stderr.getvalue().splitlines()) == 2


class FullAfter(Terminal):
    """A terminal that accepts a few writes and then fails, like a closed one or a full disk."""

    def __init__(self, n_writes):
        super().__init__()
        self.left = n_writes

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(text)


class FullFile(FullAfter):
    def isatty(self):
        return False


@pytest.mark.parametrize("stream", [FullAfter, FullFile])
@pytest.mark.parametrize("n_writes", [0, 1, 2, 5, 9])
def test_a_display_that_fails_ends_nothing(monkeypatch, stream, n_writes):
    monkeypatch.setattr(sys, "stderr", stream(n_writes))
    display = SweepDisplay(4.0, 2)
    watch_a_sweep(display)
    assert display._models_done == 2
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr(sys, "stderr", stream(n_writes))
    assert list(progress.tracked(list(range(100)), "counting")) == list(range(100))


def test_a_bar_that_fails_loses_no_step(monkeypatch):
    def bar(steps, **options):
        for k, step in enumerate(steps):
            yield step
            if k == 3:
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "bar_class", lambda: bar)
    assert list(progress.tracked(list(range(10)), "counting")) == list(range(10))


def test_no_stream_is_told_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    progress.tell("a line")
    assert capsys.readouterr().out == ""
