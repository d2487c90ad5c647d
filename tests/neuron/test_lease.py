"""Leases within a process: who gets which cores, what is said about those that are held, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from datetime import datetime, timedelta, timezone

import pytest

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.errors import CoresBusyError, NeuronError
from pytest_nki_pool.neuron.lease import adopt, describe_cores, free_cores, lease
from pytest_nki_pool.neuron.lockfiles import exclusive, try_lock, unlock
from pytest_nki_pool.neuron.quarantine import lift, quarantine, quarantined
from pytest_nki_pool.neuron.roots import Roots


def test_each_lease_is_another_core_until_none_is_left(two_cores, folder):
    first = lease(two_cores, folder)
    second = lease(two_cores, folder)

    assert (first.cores, second.cores) == (two_cores[:1], two_cores[1:])
    with pytest.raises(CoresBusyError, match=r"no free NeuronCore within 0 s \(core 0 held by process"):
        lease(two_cores, folder)

    first.release()
    with lease(two_cores, folder) as again:
        assert again.cores == two_cores[:1]
    assert free_cores(two_cores, folder) == two_cores[:1]
    second.release()
    assert free_cores(two_cores, folder) == two_cores


def test_releasing_twice_leaves_a_later_lease_alone(two_cores, folder):
    held = lease(two_cores, folder)
    numbers = held.descriptors
    held.release()
    with lease(two_cores, folder) as later:
        assert later.descriptors == numbers
        held.release()
        assert free_cores(two_cores, folder) == two_cores[1:]


def test_logical_cores_of_two_configurations_exclude_each_other_by_their_physical_cores(folder):
    with lease([Core(0, 0, (0, 1))], folder):
        assert free_cores([Core(0, 0, (0,)), Core(1, 0, (1,)), Core(2, 0, (2,))], folder) == (Core(2, 0, (2,)),)
    with lease([Core(1, 0, (1,))], folder):
        assert free_cores([Core(0, 0, (0, 1)), Core(1, 0, (2, 3))], folder) == (Core(1, 0, (2, 3)),)
        assert free_cores([Core(0, 0, (0,))], folder) == (Core(0, 0, (0,)),)


def test_several_cores_are_contiguous_and_all_or_none(folder):
    cores = [Core(index, index // 2, (index % 2,)) for index in range(4)]
    with lease(cores[1:2], folder):
        with lease(cores, folder, count=2) as pair:
            assert pair.cores == tuple(cores[2:])
            assert len(pair.descriptors) == 2
        with pytest.raises(CoresBusyError):
            lease(cores[:3], folder, count=2)
        assert free_cores(cores, folder) == (cores[0], *cores[2:])


@pytest.mark.parametrize("cores", [[Core(0, 0, (0,))], [Core(0, 0, (0,)), Core(2, 1, (0,))], []])
def test_cores_that_are_not_contiguous_are_no_pair(cores, folder):
    with pytest.raises(NeuronError, match=f"2 contiguous cores asked for, {len(cores)} may be used"):
        lease(cores, folder, count=2)


def test_waiting_ends_at_its_deadline(two_cores, folder):
    with lease(two_cores[:1], folder):
        start = time.monotonic()
        with pytest.raises(CoresBusyError, match=r"within 0\.3 s"):
            lease(two_cores[:1], folder, wait=0.3)
        assert 0.3 <= time.monotonic() - start < 3


def test_a_lease_says_who_holds_it_and_since_when_and_nothing_else(two_cores, folder):
    with lease(two_cores, folder):
        record = json.loads((folder / "neuron0-core0.lock").read_text())
        assert record.keys() == {"pid", "since"}
        assert record["pid"] == os.getpid()
        age = datetime.now(timezone.utc) - datetime.fromisoformat(record["since"])
        assert age < timedelta(minutes=1)
        assert describe_cores(two_cores, folder) == (f"core 0 held by process {os.getpid()} since {record['since']}",)


def test_what_a_dead_process_left_in_a_lock_file_keeps_nobody_away(two_cores, folder):
    lease(two_cores, folder).release()
    (folder / "neuron0-core0.lock").write_text('{"pid": 1, "since": "2026-01-01T00:00:00+00:00"}')

    with lease(two_cores, folder) as held:
        assert held.cores == two_cores[:1]


@pytest.mark.parametrize("content", ["", "{}", '{"other": 1}', '{"pid"'])
def test_a_core_whose_holder_did_not_sign_is_described(two_cores, folder, content):
    with lease(two_cores, folder):
        (folder / "neuron0-core0.lock").write_text(content)

        assert describe_cores(two_cores, folder) == ("core 0 held by another process since an unknown time",)


def test_a_full_disk_costs_the_signature_and_not_the_lease(two_cores, folder, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", no_space)
    with lease(two_cores, folder):
        assert free_cores(two_cores, folder) == two_cores[1:]
    with pytest.raises(NeuronError, match="the lock folder cannot be written: No space left on device; make room"):
        quarantine(two_cores, "hang", folder)


def test_folder_and_files_are_for_every_user_of_the_host(two_cores, folder):
    before = os.umask(0o077)
    try:
        with lease(two_cores, folder):
            quarantine(two_cores, "test", folder)
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        (
            "choosing.lock",
            "neuron0-core0.lock",
            "neuron0-core0.quarantine",
            "neuron0-core1.quarantine",
        ),
        0o666,
    )


def test_the_default_folder_does_not_follow_a_users_own_temporary_folder(monkeypatch, tmp_path):
    before = Roots().locks
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    assert Roots().locks == before
    assert Roots().locks.is_absolute()


@pytest.mark.parametrize("make", ["file", "link"])
def test_a_folder_that_is_none_is_refused(two_cores, folder, tmp_path, make):
    if make == "file":
        folder.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(NeuronError, match=re.escape(f"{folder} is no folder that this user may write")):
        lease(two_cores, folder)


def test_a_folder_that_cannot_be_made_is_refused(two_cores, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(NeuronError, match=r"the lock folder .* cannot be made: Not a directory; choose another"):
        lease(two_cores, tmp_path / "file" / "locks")


def test_a_lock_that_is_a_link_is_refused(two_cores, folder, tmp_path):
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / "neuron0-core0.lock").symlink_to(victim)

    with pytest.raises(NeuronError, match=r"neuron0-core0\.lock cannot be opened"):
        lease(two_cores, folder)
    assert victim.read_text() == "precious"


def test_unlocking_frees_a_lock_of_which_a_forked_process_has_a_copy(folder):
    folder.mkdir()
    descriptor = try_lock(folder / "a.lock")
    copy = os.dup(descriptor)

    unlock(descriptor)

    again = try_lock(folder / "a.lock")
    assert again is not None
    unlock(again)
    os.close(copy)


def test_a_lock_on_a_file_that_was_removed_is_none(folder, monkeypatch):
    folder.mkdir()
    path = folder / "removed.lock"

    def lock_and_remove(descriptor, **_):
        path.unlink()
        return True

    monkeypatch.setattr("pytest_nki_pool.neuron.lockfiles.lock_descriptor", lock_and_remove)

    assert try_lock(path) is None


def test_a_stopped_process_that_is_choosing_cores_is_not_waited_for_for_ever(folder):
    choosing = exclusive(folder, patience=0.2)
    with exclusive(folder), pytest.raises(CoresBusyError, match=r"held for more than 0\.2 s; is a test run stopped"):
        choosing.__enter__()


def test_a_quarantined_core_is_not_leased_until_its_time_is_over(two_cores, folder):
    quarantine(two_cores[:1], "hang in compute", folder, seconds=60)

    assert free_cores(two_cores, folder) == two_cores[1:]
    with lease(two_cores, folder) as held:
        assert held.cores == two_cores[1:]
    [phrase] = [text for text in describe_cores(two_cores, folder) if text.startswith("core 0")]
    assert re.fullmatch(r"core 0 quarantined until 20\S+\+00:00: hang in compute", phrase)
    assert quarantined(two_cores[0], folder, now=time.time() + 59)
    assert quarantined(two_cores[0], folder, now=time.time() + 61) is None


def test_a_quarantine_can_be_lifted_and_renewed(two_cores, folder):
    quarantine(two_cores, "a rather long reason, of which nothing may stay", folder)
    lift(two_cores, folder)
    assert free_cores(two_cores, folder) == two_cores

    quarantine(two_cores[1:], "again", folder)
    assert quarantined(two_cores[1], folder).reason == "again"
    assert json.loads((folder / "neuron0-core1.quarantine").read_text())["reason"] == "again"


def test_one_bad_physical_core_keeps_its_logical_core_away(folder):
    quarantine([Core(3, 0, (3,))], "ECC", folder)

    assert free_cores([Core(0, 0, (0, 1)), Core(1, 0, (2, 3))], folder) == (Core(0, 0, (0, 1)),)


def test_a_quarantine_leaves_the_holder_alone(two_cores, folder):
    with lease(two_cores, folder) as held:
        quarantine(held.cores, "hang", folder)
        assert held.cores == two_cores[:1]
    assert free_cores(two_cores, folder) == two_cores[1:]


def test_a_marker_that_was_written_halfway_is_none(two_cores, folder):
    quarantine(two_cores, "x", folder)
    (folder / "neuron0-core0.quarantine").write_text('{"reason": ')
    (folder / "neuron0-core1.quarantine").write_text('["other"]')

    assert free_cores(two_cores, folder) == two_cores


def test_a_descriptor_that_was_not_inherited_cannot_be_adopted(two_cores, folder, tmp_path):
    with lease(two_cores, folder) as held:
        text = held.handover()
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)

    with pytest.raises(NeuronError, match=r"is not the lock .*neuron0-core0\.lock; start this process with pass_fds"):
        adopt(text)
    os.close(other)


def test_a_second_opening_of_the_lock_file_cannot_be_adopted(two_cores, folder):
    with lease(two_cores, folder) as held:
        again = os.open(folder / "neuron0-core0.lock", os.O_RDWR)
        text = held.handover().replace(f'"descriptors": [{held.descriptors[0]}]', f'"descriptors": [{again}]')
        with pytest.raises(NeuronError, match="is not the lock"):
            adopt(text)
        os.close(again)
