"""Where outputs go: through links and pipes, with the mode that was there, and without leftovers of killed runs."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path


def write(path: Path | str, text: str = "new") -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    real, link, dangling = tmp_path / "inner" / "real", tmp_path / "link", tmp_path / "dangling"
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "inner" / "later")
    write(link)
    write(dangling)
    assert (link.is_symlink(), real.read_text()) == (True, "new")
    assert (dangling.is_symlink(), (tmp_path / "inner" / "later").read_text()) == (True, "new")


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_text("old")
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    write(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert path.read_text() == "new"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    with pytest.raises(InputError, match="is a pipe that nobody reads; start its reader first"):
        write(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    for _ in range(100):  # until it is there
        with contextlib.suppress(InputError):
            write(path, "through")
            break
        time.sleep(0.05)
    reader.join(10)
    assert (read, stat.S_ISFIFO(path.lstat().st_mode)) == (["through"], True)


def test_a_device_is_written_to() -> None:
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/2"])
def test_where_messages_are_printed_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: is where messages are printed; name a file to write$"):
        write(name)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_protected_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(InputError, match="write-protected"):
        write(path)
    assert path.read_text() == "old"


def test_a_long_name(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255))
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]
    with pytest.raises(InputError, match="File name too long"):
        write(tmp_path / ("x" * 256))


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "model.nir", tmp_path / "other.nir"
    killed = (
        "import os, sys\nfrom inflor.converter.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), 9)\n"
    )
    for target in (path, other):
        subprocess.run([sys.executable, "-c", killed, target], check=False)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    with atomic_path(path) as mine:
        mine.write_text("slow")
        write(path)  # by another run meanwhile: mine is left alone
        assert mine.read_text() == "slow"
    assert path.read_text() == "slow"
    (left,) = tmp_path.glob(".*.part")  # of the other file
    os.utime(left, (0, time.time() - 30 * 24 * 3600))
    write(other)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.nir", "other.nir"]


def test_the_file_of_a_run_that_is_alive_is_left_however_old_it_is(tmp_path: Path) -> None:
    path = tmp_path / "record.h5"
    with atomic_path(path) as slow:
        slow.write_text("slow")
        os.utime(slow, (0, 0))
        write(path)
        assert slow.exists()
    assert path.read_text() == "slow"


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    with contextlib.suppress(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("kept", "old")]
