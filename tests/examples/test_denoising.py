"""The denoising example runs, and denoises."""

import runpy
from pathlib import Path

import pytest
from strategies import needs_compiler

pytest.importorskip("matplotlib", reason="the example draws a picture")


@needs_compiler
def test_denoised_digits_are_nearer_to_the_clean_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "denoising.py"))
    assert example["after"] == pytest.approx(example["ae"].history_["val_mse"][-1], rel=1e-5)
    assert "noisy digits" in capsys.readouterr().out
    assert (tmp_path / "results" / "denoising.png").read_bytes().startswith(b"\x89PNG")
