"""Staging: long names, orphans, and what can't be swapped."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from arrowetl import files
from arrowetl.files import OLD, Staging, sweep
from tests.sinks.loading import names_in


def test_names_as_long_as_names_can_be(tmp_path):
    destination = tmp_path / ("é" * 127)
    staging = Staging(destination)
    (staging.folder / "new").write_text("x")
    staging.publish(staging.folder / "new", overwrite=False)
    staging.close()
    assert names_in(tmp_path) == ["é" * 127]


def test_orphans_go_and_others_stay(tmp_path):
    destination = tmp_path / "x[1]*"
    living = Staging(destination)
    orphan = Staging(destination)
    (orphan.folder / "rows").write_text("half")
    os.close(orphan._lock)
    (tmp_path / ".x[1]*.arrowetl-mine.txt").write_text("a file is nobody's staging")
    sweep(destination)
    assert living.folder.exists()
    assert not orphan.folder.exists()
    living.close()
    living.close()
    assert names_in(tmp_path) == [".x[1]*.arrowetl-mine.txt"]


def test_a_folder_half_replaced_is_put_back(tmp_path):
    destination = tmp_path / "x"
    orphan = Staging(destination)
    (orphan.folder / OLD).mkdir()
    (orphan.folder / OLD / "row").write_text("old")
    os.close(orphan._lock)
    sweep(destination)
    assert (destination / "row").read_text() == "old"
    assert names_in(tmp_path) == ["x"]


def test_many_runs_that_begin_at_once_take_nothing_from_each_other(tmp_path):
    """Some sweep a folder that another has made and not locked yet: that one makes a new one."""

    def run(_n):
        for _ in range(60):
            staging = Staging(tmp_path / "x")
            (staging.folder / "rows").write_text("mine")
            assert (staging.folder / "rows").read_text() == "mine"
            staging.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("swaps", [True, False])
def test_folders_change_places(tmp_path, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr(files, "exchange", lambda _one, _two: False)
    destination = tmp_path / "x"
    destination.mkdir()
    (destination / "old").write_text("")
    staging = Staging(destination)
    (staging.folder / "new").mkdir()
    (staging.folder / "new" / "row").write_text("")
    staging.publish(staging.folder / "new", overwrite=True)
    staging.close()
    assert names_in(destination) == ["row"]
    assert names_in(tmp_path) == ["x"]
