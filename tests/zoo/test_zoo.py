"""The suite's power: every wrong kernel is killed by the group meant for it, every right one passes."""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path

import pytest

from pytest_nki_pool import kernels
from pytest_nki_pool.zoo import MUTANTS, VARIANTS, kill_table

TIER, BACKENDS = "standard", ("baremetal",)
FOLDER = Path(kernels.__file__).parent


def file_of(specimen):
    return specimen.target.rpartition(":")[0].rpartition(".")[2]


def kind_of(specimen):
    return specimen.target.split(".")[2]


def per_file(specimens):
    by_file = sorted(specimens, key=file_of)
    return [pytest.param(tuple(group), id=name) for name, group in groupby(by_file, key=file_of)]


def table(specimens, *groups, whole=False):
    return kill_table(specimens, TIER, BACKENDS, groups=groups, whole=whole)


def meant(specimens):
    """Rows of the groups meant for the specimens, each run through its own group alone."""
    for group in sorted({specimen.killed_by for specimen in specimens}):
        yield from table([s for s in specimens if s.killed_by == group], group)


@pytest.mark.parametrize("specimens", per_file(MUTANTS))
def test_every_mutant_is_killed_by_the_group_meant_for_it(specimens):
    rows = list(meant(specimens))
    assert len(rows) == len(specimens)
    # A mutant that is known to survive must do so: killed one day, its mark has to go.
    judged = {row.specimen.name: bool(row.killers) for row in rows}
    assert judged == {row.specimen.name: not row.specimen.survives for row in rows}
    for row in rows:
        cell = row.cells[row.specimen.killed_by]
        assert cell.undecided is None, cell.undecided
        if row.specimen.emulator_rule:
            assert cell.rule is not None, row.specimen.name
        elif row.specimen.killed_by != "contract" and cell.kill is not None:
            assert says_where(cell.kill.finding.message), cell.kill


def says_where(message):
    """Whether a verdict names an element, a relation between outputs or a bias over all of them."""
    return any(words in message for words in ("first bad element", "first at [", "mean error"))


@pytest.mark.parametrize("specimens", per_file([s for s in MUTANTS if not s.emulator_rule]))
def test_no_mutant_is_dead_on_arrival(specimens):
    for row in table(specimens, "contract", whole=True):
        assert row.passed, f"{row.specimen.name} passes no check"
        assert row.cells["contract"].rule is None, row.cells["contract"].rule


#: Group -> mutants that no other group kills. The agreement, layouts, frameworks and foreign groups vary who hands the
#: input over, or who wrote the golden, rather than what is computed: `test_paths` has the mistakes that they alone see.
ALONE = {
    "values": ("folds_rows_of_large_windows", "folds_columns_of_large_windows"),
    "exactness": ("scales_large_windows_by_sevenths", "steps_up_for_large_windows"),
    "special": ("averages_what_is_no_nan", "clamps_sums_to_fp16", "multiplies_trim_by_zero"),
    "contract": ("accepts_pool_of_zero", "accepts_batches", "accepts_single_images"),
    "metamorphic": ("truncates_negative_means", "truncates_large_means"),
    "statistics": ("reciprocal_by_logarithm", "cuts_low_bits_of_inputs"),
    "honesty": (
        "claims_one_channel_too_many",
        "claims_larger_images",
        "rounds_what_it_does_not_claim",
        "takes_fp16_for_bf16",
    ),
}


@pytest.mark.parametrize("group", ALONE)
def test_two_mutants_survive_without_the_group(group):
    specimens = [s for s in MUTANTS if s.name in ALONE[group]]
    assert len(specimens) == len(ALONE[group]) >= 2
    rows = table(specimens, *ALONE)
    assert {row.specimen.name: row.killers for row in rows} == dict.fromkeys(ALONE[group], (group,))


@pytest.mark.parametrize("specimens", per_file(VARIANTS))
def test_every_variant_passes(specimens):
    for row in kill_table(specimens, TIER, BACKENDS, groups=tuple(ALONE)):
        for cell in row.cells.values():
            assert (cell.kill, cell.rule, cell.undecided) == (None, None, None)


def test_the_zoo_is_as_large_and_as_mixed_as_it_says():
    assert len(MUTANTS) >= 60
    assert len(VARIANTS) >= 20
    for specimens in (MUTANTS, VARIANTS):
        assert len({specimen.name for specimen in specimens}) == len(specimens)
        forms = {form_of(specimen) for specimen in specimens}
        assert forms == {("legacy", "returns"), ("legacy", "out_parameter"), ("current", "returns")}


def form_of(specimen):
    source = (FOLDER / kind_of(specimen) / f"{file_of(specimen)}.py").read_text()
    function = functions(source)[specimen.target.rpartition(":")[2]]
    names = [argument.arg for argument in function.args.args]
    convention = "out_parameter" if "out_tensor" in names else "returns"
    return "legacy" if "neuronxcc" in source else "current", convention


def functions(source):
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("kind", "specimens"), [("mutants", MUTANTS), ("variants", VARIANTS)], ids=["mutants", "variants"]
)
def test_the_table_lists_every_kernel_in_the_words_of_its_file(kind, specimens):
    listed = {s.target.removeprefix(f"pytest_nki_pool.kernels.{kind}."): s.about for s in specimens}
    found = {
        f"{path.stem}:{name}": ast.get_docstring(function)
        for path in (FOLDER / kind).glob("*.py")
        for name, function in functions(path.read_text()).items()
    }
    assert listed == found


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in sorted(FOLDER.glob("*/*.py"))]
)
def test_a_file_of_the_zoo_imports_nki_and_nothing_else(path):
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported in ({"nki"}, {"neuronxcc"}, set())
    assert imported or path.stem == "__init__"
