"""`nki-pool`: every command alike."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

from pytest_nki_pool.cli import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_parses(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    help_text = " ".join(capsys.readouterr().out.split())
    program, command, *arguments = shlex.split(COMMANDS[name].example)
    assert (program, command) == ("nki-pool", name)
    assert f"example: {COMMANDS[name].example}" in help_text
    assert "--json" in help_text
    parse_only = "import sys, pytest_nki_pool.cli as cli; cli._parser().parse_args(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", parse_only, command, *arguments], check=True)


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["diff", "one"], ["cases", "--seed=-1"], ["cases", "--tier=x"]])
def test_a_wrong_command_line_exits_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2
    assert "nki-pool" in capsys.readouterr().err


def test_the_entry_point_is_there():
    result = subprocess.run(
        [sys.executable, "-c", ENTRY, "cases", "--tier=smoke"], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert "c2h6w6k2:fp32:normal:s0" in result.stdout.splitlines()


ENTRY = """
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="nki-pool")
raise SystemExit(script.load()())
"""


def test_a_reader_that_leaves_early_is_no_error():
    more_than_a_pipe_holds = shlex.join([sys.executable, "-c", ENTRY, "cases", "--tier=full", "--json"])

    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {more_than_a_pipe_holds} | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "[\n", "")


def test_cases_are_listed_once_and_sorted(capsys):
    assert main(["cases", "--tier=smoke", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert main(["cases", "--tier=smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert [row["case"] for row in rows] == lines
    assert len(set(lines)) == len(lines)
    assert all(row["groups"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        (["c2h6w6k2:*"], lambda case: case.startswith("c2h6w6k2:")),
        (["--dtype=bf16", "--dtype=fp16"], lambda case: case.split(":")[1] in ("bf16", "fp16")),
        (["*:ones", "*:index"], lambda case: case.endswith((":ones", ":index"))),
        (["--group=exactness", "--seed=7"], lambda case: not case.endswith(":s0")),
    ],
    ids=["glob", "dtype", "globs", "group and seed"],
)
def test_cases_are_filtered(arguments, fits, capsys):
    main(["cases", "--tier=full"])
    everything = capsys.readouterr().out.splitlines()
    main(["cases", "--tier=full", *arguments])
    chosen = capsys.readouterr().out.splitlines()

    assert chosen
    assert all(fits(case) for case in chosen)
    assert len(chosen) < len(everything)


def test_cases_are_counted(capsys):
    main(["cases", "--tier=smoke", "--json"])
    rows = json.loads(capsys.readouterr().out)
    main(["cases", "--tier=smoke", "--count", "--json"])
    counts = json.loads(capsys.readouterr().out)

    assert counts["different"] == len(rows)
    assert counts["groups"]["values"] == sum("values" in row["groups"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cases", "--dtype=int4"], "--dtype: 'int4' is not known; choose from fp32,"),
        (["cases", "--group=x"], "--group: 'x' is not known; choose from values,"),
        (["cases", "nothing*"], "no case of tier standard matches"),
        (["show", "nowhere.jsonl"], "nowhere.jsonl: No such file or directory"),
        (["render", "nowhere.jsonl", "r.md"], "nowhere.jsonl: No such file or directory"),
        (["diff", "nowhere.jsonl", "nowhere.jsonl"], "nowhere.jsonl: No such file or directory"),
        (["merge", "nowhere.jsonl", "--output=r.json"], "nowhere.jsonl: No such file or directory"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_what_cannot_be_had_exits_2_with_a_reason(arguments, form, message, capsys):
    assert main([*arguments, *form]) == 2

    captured = capsys.readouterr()
    assert captured.err.startswith("nki-pool: error: ")
    assert message in captured.err
    assert captured.out == ""
