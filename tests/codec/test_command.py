"""``python -m ae_numpy.codec``: files to files, and what is said when that does not work."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import pytest

from ae_numpy import progress
from ae_numpy.codec import Codec
from ae_numpy.codec.__main__ import main
from ae_numpy.datasets.idx import read_idx, write_idx


@pytest.fixture(name="folder")
def fixture_folder(tmp_path, codec, images, data):
    """A folder with a codec, images in both formats and compressed ones."""
    codec.save(tmp_path / "codec.npz")
    write_idx(tmp_path / "images.idx", images)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "images.aec").write_bytes(data)
    return tmp_path


def run(command, folder, source, target, *options) -> int:
    paths = (str(folder / name) for name in ("codec.npz", source, target))
    return main([command, *paths, *options])


@pytest.mark.parametrize("source", ["images.idx", "images.npy", "images.idx.gz"])
def test_compress(folder, data, source):
    with gzip.open(folder / "images.idx.gz", "wb") as file:
        file.write((folder / "images.idx").read_bytes())
    assert run("compress", folder, source, "new.aec") == 0
    assert (folder / "new.aec").read_bytes() == data


def test_decompress(folder, codec, data, capsys):
    for name, read in (("new.idx", read_idx), ("new.npy", np.load)):
        assert run("decompress", folder, "images.aec", name) == 0
        np.testing.assert_array_equal(read(folder / name), codec.decompress(data))
    assert capsys.readouterr() == ("", "")


def test_floats_need_an_npy_file(folder, images, capsys):
    floats = (images / 255).reshape(len(images), -1).astype(np.float32)
    np.save(folder / "floats.npy", floats)
    assert run("compress", folder, "floats.npy", "floats.aec") == 0
    assert run("decompress", folder, "floats.aec", "floats.idx") == 1
    assert "floats.idx must end in .npy: no IDX file has float32" in capsys.readouterr().err
    assert not (folder / "floats.idx").exists()
    assert run("decompress", folder, "floats.aec", "again.npy") == 0
    assert np.load(folder / "again.npy").dtype == np.float32


def test_damage_is_skipped_where_that_is_wanted(folder, codec, data, capsys):
    (folder / "damaged.aec").write_bytes(data[:-1])
    assert run("decompress", folder, "damaged.aec", "new.npy") == 1
    assert "error: data is truncated: found" in capsys.readouterr().err
    with pytest.warns(UserWarning, match=r"zeros for damaged block 2 \(samples 512 to 599\)"):
        assert run("decompress", folder, "damaged.aec", "new.npy", "--damaged", "skip") == 0
    np.testing.assert_array_equal(np.load(folder / "new.npy")[:512], codec.decompress(data)[:512])


@pytest.mark.parametrize(
    ("command", "source", "content", "words"),
    [
        ("compress", "missing.idx", None, "No such file or directory"),
        ("compress", "junk.idx", b"junk", "junk.idx: found b'junk' at the start"),
        ("compress", "junk.npy", b"\x93NUMPY\1\0\2\0[[", "junk.npy: expected a whole .npy file"),
        ("compress", "junk.npy", b"junk", "junk.npy: expected a whole .npy file of numbers"),
        ("decompress", "junk.aec", b"junk", "data is foreign: found b'junk'"),
    ],
)
def test_files_that_are_refused(folder, capsys, command, source, content, words):
    if content is not None:
        (folder / source).write_bytes(content)
    (folder / "new.npy").write_bytes(b"old")
    before = sorted(folder.iterdir())
    assert run(command, folder, source, "new.npy") == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert words in message
    assert (folder / "new.npy").read_bytes() == b"old"
    assert sorted(folder.iterdir()) == before


def test_a_pickle_is_not_opened(folder, capsys):
    np.save(folder / "objects.npy", np.array([print]), allow_pickle=True)
    assert run("compress", folder, "objects.npy", "new.aec") == 1
    assert "objects.npy: expected a whole .npy file of numbers" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_known_before_the_work(folder, monkeypatch, capsys):
    monkeypatch.setattr(Codec, "load", None)  # whose call would raise
    assert run("compress", folder, "images.idx", "no such folder/new.aec") == 1
    assert "no such folder" in capsys.readouterr().err


def test_an_interrupt_leaves_things_as_they_were(folder, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Codec, "compress", interrupted)
    before = sorted(folder.iterdir())
    assert run("compress", folder, "images.idx", "new.aec") == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
    assert sorted(folder.iterdir()) == before


def test_without_constriction(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "constriction", None)
    assert run("compress", folder, "images.idx", "new.aec") == 1
    assert capsys.readouterr().err == "error: no constriction: pip install 'ae_numpy[codec]'\n"


def test_as_a_process(folder, data):
    command = [sys.executable, "-m", "ae_numpy.codec", "compress", "codec.npz", "images.idx", "new"]
    subprocess.run(command, cwd=folder, check=True)
    assert (folder / "new").read_bytes() == data
    wrong = subprocess.run([*command[:3], "explode"], cwd=folder, capture_output=True, check=False)
    assert wrong.returncode == 2


def test_progress_is_shown_where_it_takes_long(folder, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    run("compress", folder, "images.idx", "new.aec")
    assert capsys.readouterr().err == "compress: 0%\ncompress: 33%\ncompress: 67%\n"


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    bars = []

    def bar(steps, **options):
        bars.append(options["desc"])
        return steps

    monkeypatch.setattr(progress, "bar_class", lambda: bar)
    assert list(progress.tracked([1, 2], "counting")) == [1, 2]
    assert bars == ["counting"]
