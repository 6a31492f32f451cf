"""The main job where something fails: streams, disks, other runs, notes, Ctrl-C."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import reproduce_table1
from strategies import needs_compiler
from study import files, locking, run, summary, training
from study.data import DataSource
from study.figures import style
from study.run import claim_folder
from study.training import Pair, SettingsDifferError
from study_runs import QUICK, command
from surroundings import full_disk

FEW = DataSource("stroke-digits", n_train=60, n_test=20)
EXAMPLES = str(Path(reproduce_table1.__file__).parent)


def pairs_in(folder, ratios=(196, 392)):
    return run.make_pairs(["corrected"], [0], ratios, 1, FEW, folder)


# ------------------------------------------------------------------------------- several runs


def at_once(function, arguments):
    """Call a function with each argument at the same moment; return results or errors."""
    barrier = threading.Barrier(len(arguments))

    def call(argument):
        barrier.wait()
        try:
            return function(argument)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(arguments)) as executor:
        return list(executor.map(call, arguments))


def test_of_many_that_claim_a_folder_with_other_settings_one_succeeds(tmp_path):
    for k in range(20):
        folder = tmp_path / str(k)
        settings = [{"epochs": n % 8} for n in range(24)]
        outcomes = at_once(lambda s, folder=folder: claim_folder(folder, s), settings)
        kept = json.loads((folder / run.SETTINGS).read_text())
        for own, outcome in zip(settings, outcomes, strict=True):
            assert outcome is None if own == kept else isinstance(outcome, SettingsDifferError)
        assert [path.name for path in folder.iterdir()] == [run.SETTINGS]


def test_a_folder_is_claimed_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    claim_folder(tmp_path, {"epochs": 2})
    claim_folder(tmp_path, {"epochs": 2})
    with pytest.raises(SettingsDifferError, match="epochs 2, not 3"):
        claim_folder(tmp_path, {"epochs": 3})


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, "\0"])
def test_settings_that_are_damaged_are_named(tmp_path, content):
    (tmp_path / run.SETTINGS).write_text(content)
    with pytest.raises(SettingsDifferError, match=r"settings\.json is damaged"):
        claim_folder(tmp_path, {"epochs": 2})


HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from study.locking import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_says_who_holds_the_folder_and_waits_for_its_death(tmp_path, capsys):
    command = [sys.executable, "-c", HOLD, tmp_path, EXAMPLES]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with closing(holder.stdout):
        assert holder.stdout.readline() == "held\n"
        entered = threading.Event()

        def enter():
            with locking.alone_in(tmp_path):
                entered.set()

        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.5)
        holder.kill()
        holder.wait()
        second.join(30)
    assert entered.is_set()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{tmp_path} is in use by process {holder.pid} on " in said


def test_a_folder_without_locks_costs_a_line_and_what_it_holds_is_free_again(
    tmp_path, monkeypatch, capsys
):
    with locking.alone_in(tmp_path):
        pass
    with locking.alone_in(tmp_path):  # released
        assert capsys.readouterr().err == ""

    def unsupported(file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking, "_locked", unsupported)
    with locking.alone_in(tmp_path):
        assert "(No locks available): start none" in capsys.readouterr().err


SHORT = ["--epochs", "1", "--ratios", "392", "--jobs", "1", "--out"]


def be_short(monkeypatch):
    """Let the main job use few digits and draw no figures."""
    monkeypatch.setattr(reproduce_table1, "_data_source", lambda options: FEW)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a short main job, which has been run once."""
    out = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        be_short(monkeypatch)
        assert reproduce_table1.main([*SHORT, str(out)]) == 0
    return out


@pytest.fixture(name="few")
def fixture_few(finished, tmp_path, monkeypatch):
    """The arguments of a short main job, which has been run once, in a copy of its folder."""
    be_short(monkeypatch)
    return [*SHORT, str(shutil.copytree(finished, tmp_path / "out"))]


def table_of(few) -> str:
    return Path(few[-1], "table1.md").read_text()


@needs_compiler
def test_a_run_beside_another_waits_and_shows_the_same(few, capsys):
    ends = []
    second = threading.Thread(target=lambda: ends.append(reproduce_table1.main(few)))
    with locking.alone_in(Path(few[-1]) / "models"):
        second.start()
        second.join(1)
        assert ends == []
    second.join(60)
    assert ends == [0]
    shown = capsys.readouterr()
    assert f"models is in use by process {os.getpid()} on " in shown.err
    assert table_of(few) in shown.out


@needs_compiler
def test_models_of_another_processor_are_refused_by_the_feature_that_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "processor", lambda engine: ["small", "+avx"])
    there = run.settings_of(2, FEW)
    claim_folder(tmp_path / "new", there)
    old = {key: value for key, value in there.items() if key != "processor"}
    claim_folder(tmp_path / "old", old)
    monkeypatch.setattr(run, "processor", lambda engine: ["small", "-avx"])
    with pytest.raises(SettingsDifferError, match=r"with processor\.-avx None, not True"):
        claim_folder(tmp_path / "new", run.settings_of(2, FEW))
    claim_folder(tmp_path / "old", run.settings_of(2, FEW))  # it does not say


def test_a_worker_with_another_processor_is_refused_by_the_features_that_differ(monkeypatch):
    monkeypatch.setattr(run, "processor", lambda engine: ["small", "+avx"])
    there = run.surroundings()
    run.check_surroundings(there)
    monkeypatch.setattr(run, "processor", lambda engine: ["small", "-avx"])
    with pytest.raises(SettingsDifferError, match=r"has {'-avx': True}, expected {'\+avx': True}"):
        run.check_surroundings(there)


def test_a_run_with_other_settings_is_refused_and_does_not_wait(few, capsys):
    with locking.alone_in(Path(few[-1]) / "models"):
        assert reproduce_table1.main([*few, "--epochs", "2"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "holds trainings with epochs 1, not 2" in error


@needs_compiler
def test_a_model_of_other_settings_is_an_error_and_no_traceback(few, capsys, monkeypatch):
    def differ(pair):
        raise SettingsDifferError("other settings")

    monkeypatch.setattr(run, "train", lambda pairs, **workers: 0)
    monkeypatch.setattr(Pair, "finished", differ)
    assert reproduce_table1.main(few) == 1
    assert capsys.readouterr().err.endswith("error: other settings\n")


# -------------------------------------------------------------------------------------- disks


def test_nothing_is_trained_where_no_model_could_be_kept(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(run, "train_pair", lambda pair, report: trained.append(pair))
    with (
        pytest.raises(OSError, match="File too large") as caught,
        full_disk(10_000),
        ThreadPoolExecutor(1) as executor,
    ):
        run.train(pairs_in(tmp_path), executor=executor)
    assert caught.value.filename == str(tmp_path)
    assert trained == []
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_kept_ends_the_training_with_its_path(tmp_path, monkeypatch):
    begun = []

    def save(model, path):
        begun.append(path)
        time.sleep(0 if len(begun) == 1 else 2)  # for the first error to arrive
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training.Autoencoder, "save", save)
    monkeypatch.setattr(training.Autoencoder, "fit", lambda model, X, **options: model)
    pairs = pairs_in(tmp_path, (392, 196, 98, 56, 28))
    with ThreadPoolExecutor(1) as executor, pytest.raises(OSError, match="No space left") as caught:
        run.train(pairs, executor=executor)
    assert caught.value.filename == str(begun[0])
    assert len(begun) <= 2  # the executor had begun with it


def test_a_full_disk_does_not_hide_the_interrupt(tmp_path, monkeypatch, capsys):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(run, "write", full)
    with pytest.raises(KeyboardInterrupt), run._clock(tmp_path):
        raise KeyboardInterrupt
    assert "is not noted: [Errno 28]" in capsys.readouterr().err


def test_an_interrupt_is_answered_with_130(tmp_path, monkeypatch, capsys):
    def interrupt(pairs, **workers):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce_table1, "_data_source", lambda options: FEW)
    monkeypatch.setattr(run, "train", interrupt)
    assert reproduce_table1.main(["--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted; what is finished is kept\n"


@needs_compiler
def test_with_all_models_there_the_table_is_shown_where_nothing_can_be_written(
    few, monkeypatch, capsys
):
    """A failing writer simulates a read-only disk: missing permission does not stop root."""

    def write(path, content):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    out = Path(few[-1])
    (out / "models" / locking.LOCK).unlink()
    (out / "models" / locking.LOCK).mkdir()  # which cannot be opened either
    monkeypatch.setattr(summary, "write", write)
    capsys.readouterr()
    assert reproduce_table1.main(few) == 1
    shown = capsys.readouterr()
    assert table_of(few) in shown.out
    named = str(out / "table1.json")
    assert shown.err.endswith(f"error: [Errno {errno.EROFS}] Read-only file system: {named!r}\n")


def test_files_are_written_whole_and_named_as_they_were_given(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    path = tmp_path / "link" / "table.md"
    files.write(path, "old")
    with pytest.raises(OSError, match="File too large") as caught, full_disk(10):
        files.write(path, "new" * 10)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert [path.name for path in path.parent.iterdir()] == ["table.md"]


def test_a_figure_is_there_whole_or_not_at_all(tmp_path):
    pytest.importorskip("matplotlib")
    from ae_numpy.plots import new_figure

    drawing = style.Drawing(1, "title", "caption", new_figure(2, 1))
    style.save(drawing, tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match="File too large") as caught, full_disk(100):
        style.save(drawing, tmp_path)
    assert caught.value.filename == str(tmp_path / "figure1.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("note", [b"", b"soon", b"nan", b"-1", b"inf", b"\xff", None])
def test_a_wall_clock_note_that_is_damaged_is_ignored(tmp_path, note, capsys):
    path = tmp_path / run.WALL_SECONDS
    if note is None:
        path.mkdir()
    else:
        path.write_bytes(note)
    assert run.wall_seconds(tmp_path) == 0
    with run._clock(tmp_path):
        pass
    if note is not None:
        assert 0 <= float(path.read_text()) < 60  # of this run alone
    assert ("is not noted" in capsys.readouterr().err) == (note is None)


# ------------------------------------------------------------------------------------ streams


def test_what_an_encoding_lacks_is_replaced(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    reproduce_table1._show("results/é手")
    assert raw.getvalue().rstrip() == b"results/??"


def test_no_standard_output_is_nothing_to_complain_of(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    reproduce_table1._show("table")
    assert capsys.readouterr().err == ""


ENDS = {"full": "/dev/full", "no reader": None}


@needs_compiler
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("end", ENDS)
def test_streams_that_fail_end_nothing(tmp_path, end):
    """As with a log on a full disk, or a reader that has gone or was killed."""
    if ENDS[end]:
        stream = os.open(ENDS[end], os.O_WRONLY)
    else:
        reader, stream = os.pipe()
        os.close(reader)
    arguments = (*QUICK, "--ratios", 392, "--jobs", 1, "--out", tmp_path)
    started = command(*arguments, figures=end == "full")
    done = subprocess.run(started, stdout=stream, stderr=stream, check=False)
    os.close(stream)
    assert done.returncode == 0
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")


@needs_compiler
@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_that_is_closed_ends_nothing(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*QUICK, "--ratios", 392, "--jobs", 1, "--out", tmp_path, figures=False),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    assert os.read(ours, 1)  # it shows something
    os.close(ours)
    assert process.wait(120) == 0
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")
