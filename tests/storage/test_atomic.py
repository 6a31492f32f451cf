"""Files that are written whole or not at all: what is left behind, and what an error names."""

import os
import re
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from ae_numpy import Autoencoder
from ae_numpy.storage import atomic
from ae_numpy.storage.atomic import replacing

X = np.random.default_rng(0).random((8, 4))

KILLED = """
import os, sys
from ae_numpy.storage import atomic
from ae_numpy.storage.atomic import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    os._exit(1)
"""


def write(path):
    with replacing(path) as file:
        file.write(b"whole")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(path):
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = set(names(path.parent)) - {path.name}
    assert re.fullmatch(rf"\.{path.name}\..*\.part", left)
    return path.with_name(left)


@pytest.mark.skipif(os.name != "posix", reason="tells whether a process lives by a signal")
@pytest.mark.parametrize("next_name", ["model.npz", "another.npz"])
def test_the_next_writer_removes_what_a_dead_one_has_left(tmp_path, next_name):
    killed_while_writing(tmp_path / "model.npz")
    write(tmp_path / next_name)
    assert names(tmp_path) == [next_name]


def test_what_somebody_may_be_writing_is_left_alone(tmp_path):
    left = killed_while_writing(tmp_path / "model.npz")
    machine, process, token = left.name.split(".")[-2].split("-")
    elsewhere = tmp_path / f".model.npz.{int(machine, 16) ^ 1:08x}-{process}-{token}.part"
    left.rename(elsewhere)
    for other in ("download.part", ".notes.part"):
        (tmp_path / other).touch()
        os.utime(tmp_path / other, (0, 0))
    with replacing(tmp_path / "model.npz") as file:
        file.write(b"mine")
        write(tmp_path / "another.npz")
    there = [".notes.part", elsewhere.name, "another.npz", "download.part", "model.npz"]
    assert names(tmp_path) == sorted(there)


@pytest.mark.parametrize("writer", ["", "00000000-1-"])
def test_what_is_a_day_old_is_removed(tmp_path, writer):
    for hours in (23, 25):
        part = tmp_path / f".model.npz.{writer}{hours:08x}.part"
        part.touch()
        os.utime(part, (time.time() - hours * 3600,) * 2)
    write(tmp_path / "model.npz")
    assert names(tmp_path) == [f".model.npz.{writer}{23:08x}.part", "model.npz"]


@pytest.mark.parametrize("place", ["missing/model.npz", "file/model.npz"])
def test_an_error_names_the_path_that_was_given(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    ae = Autoencoder(2, epochs=1, engine="numpy").fit(X)
    for attempt in (ae.save, lambda path: Autoencoder(2, engine="numpy").fit(X, checkpoint=path)):
        with pytest.raises(OSError, match=re.escape(f": '{place}'") + "$") as caught:
            attempt(place)
        assert caught.value.filename == place
        assert ".part" not in str(caught.value)


def test_a_folder_of_that_name_is_named(tmp_path):
    target = tmp_path / "model.npz"
    target.mkdir()
    with pytest.raises(OSError, match=re.escape(f": '{target}'")):
        write(target)
    assert names(tmp_path) == ["model.npz"]


def test_an_error_of_the_writer_keeps_its_file(tmp_path):
    with pytest.raises(OSError, match="another"), replacing(tmp_path / "model.npz"):
        (tmp_path / "another").open()
    assert names(tmp_path) == []


# -------------------------------------------------------------------------- what is there already

posix = pytest.mark.skipif(os.name != "posix", reason="modes, pipes and devices as POSIX has them")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o666, 0o444])
def test_the_mode_of_a_file_is_kept_from_its_first_byte_on(tmp_path, kept):
    path = tmp_path / "model.npz"
    write(path)
    path.chmod(kept)
    with replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == kept
    assert mode(path) == kept


@posix
def test_the_mode_is_that_of_what_a_link_points_to(tmp_path):
    write(tmp_path / "model.npz")
    (tmp_path / "model.npz").chmod(0o600)
    (tmp_path / "link").symlink_to("model.npz")
    write(tmp_path / "link")
    assert mode(tmp_path / "model.npz") == 0o600
    assert (tmp_path / "link").is_symlink()


@posix
@pytest.mark.parametrize("permitted", [True, False])
def test_owner_and_group_are_kept_where_that_is_permitted(tmp_path, monkeypatch, permitted):
    asked = []

    def fchown(descriptor, user, group):
        asked.append((user, group))
        if not permitted:
            raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "model.npz"
    write(path)
    monkeypatch.setattr(os, "fchown", fchown)
    write(path)
    status = path.stat()
    wanted = [(-1, status.st_gid), (status.st_uid, -1)]
    assert asked == (wanted if permitted else wanted[:1])


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    path = tmp_path / "model.npz"
    write(path)
    os.chown(path, 12345, 23456)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@posix
@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a device"])
def test_what_is_no_regular_file_is_refused_before_anything_is_written(tmp_path, monkeypatch, kind):
    path = {"a device": os.devnull}.get(kind, tmp_path / "model.npz")
    {"a directory": os.mkdir, "a pipe": os.mkfifo}.get(kind, os.stat)(path)
    before = names(tmp_path)
    ae = Autoencoder(2, epochs=1, engine="numpy").fit(X)
    monkeypatch.setattr(atomic, "_remove_abandoned", lambda folder: pytest.fail("has begun"))
    message = f"must be a regular file: '{path}'"
    for attempt in (ae.save, lambda path: Autoencoder(2, engine="numpy").fit(X, checkpoint=path)):
        with pytest.raises(OSError, match=re.escape(message)):
            attempt(path)
    assert names(tmp_path) == before


@posix
def test_the_folder_is_synced_after_the_new_name(tmp_path, monkeypatch):
    steps, replace, fsync = [], os.replace, os.fsync

    def synced(descriptor):
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("name"), replace(*names)))
    write(tmp_path / "model.npz")
    assert steps == ["file", "name", "folder"]


@posix
def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def refuse(folder, flags):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "open", refuse)
        atomic._sync_folder(tmp_path)
