"""What must not leave the machine in a report."""

from __future__ import annotations

import pytest

from pytest_nki_pool.report.scrub import Scrubber

SCRUBBER = Scrubber("/work/project", ("buildhost-7", "alice"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at /work/project/kernels/pool.py:12", "at kernels/pool.py:12"),
        ('File "/usr/lib/python3.11/x.py", line 3', 'File "…/x.py", line 3'),
        ("--nki-kernel=/home/bob/pool.py:avgpool", "--nki-kernel=…/pool.py:avgpool"),
        ("see /etc/secrets and (/srv)", "see … and (…)"),
        ("path:/srv/x/y.py", "path:…/y.py"),
        ("~/x/y.py ../../other/z.py", "…/y.py …/z.py"),
        (r"C:\Users\bob\x.py", "…/x.py"),
        ("alice@buildhost-7 said", "<name>@<name> said"),
        ("on i-0123456789abcdef0 (i-0a1b2c3d)", "on <instance> (<instance>)"),
        ("ip-10-0-0-1.us-west-2.compute.internal is slow", "<instance> is slow"),
        ("ip-10-0-0-1 is slow", "<instance> is slow"),
    ],
)
def test_what_tells_of_the_machine_goes(text, expected):
    assert SCRUBBER.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "values/avgpool/torch/emulator/trn2/c2h6w6k2:fp32:ones",
        "3.5 / 2 and 1/8 of a partition",
        "kernels/pool.py:avgpool",
        "https://docs.pytest.org/en/stable/how-to/",
        "x[0:2, 1:3] = -0.5 // 2",
        "malice and alicent",
        "pytest --nki-case=c2h6w6k2:fp32:ones",
    ],
    ids=["identity", "fractions", "relative path", "URL", "slices", "parts of names", "rerun"],
)
def test_everything_else_stays(text):
    assert SCRUBBER.text(text) == text


def test_names_that_say_nothing_stay():
    assert Scrubber("/p", ("root", "localhost", "k")).text("square root k localhost") == "square root k localhost"


def test_values_are_scrubbed_wherever_they_stand():
    value = {"/home/bob": ["/home/bob/x.py", ("alice", 3, None)]}

    assert SCRUBBER.every(value) == {"/home/bob": ["…/x.py", ["<name>", 3, None]]}


def test_nothing_planted_in_a_run_reaches_a_report(suite, pytester, monkeypatch, tmp_path):
    planted = ("buildhost-7", "i-0123456789abcdef0", "alicia", "outside_folder")
    outside = tmp_path / "outside_folder"
    outside.mkdir()
    monkeypatch.setenv("LOGNAME", "alicia")
    monkeypatch.setenv("HOME", str(outside))
    pytester.makepyfile(
        host="import socket; socket.gethostname = lambda: 'buildhost-7'",
        other="""
        import getpass, os, socket
        import neuronxcc.nki as nki

        @nki.jit
        def avgpool(x, pool_size):
            where = f"{socket.gethostname()} {getpass.getuser()} {os.environ['HOME']}/x i-0123456789abcdef0 {__file__}"
            raise ValueError(where)
        """,
    )
    kernel = outside / "other.py"
    kernel.write_text((pytester.path / "other.py").read_text())
    pytester.syspathinsert()
    reports = [f"--nki-report=r{suffix}" for suffix in (".jsonl", ".json", ".md", ".badge.json")]

    result = suite("-p", "host", f"--nki-kernel={kernel}:avgpool", "--nki-artifacts=arrays", *reports)

    assert result.ret == 1
    assert all(name in result.stdout.str() for name in planted)
    written = [path for path in pytester.path.rglob("*") if path.is_file() and path.name.startswith(("r.", "verdict"))]
    assert len(written) > len(reports)
    for path in written:
        assert [name for name in (*planted, str(tmp_path)) if name in path.read_text()] == []
