"""`check_kernel`: the suite as one plain function, without pytest."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool import expect as expectations
from pytest_nki_pool.checks import CHECKS, GROUPS
from pytest_nki_pool.launch.backends import BACKENDS
from pytest_nki_pool.launch.load import innermost
from pytest_nki_pool.launch.locate import locate_module
from pytest_nki_pool.launch.targets import TARGETS, choose
from pytest_nki_pool.plan import Plan, every_identity
from pytest_nki_pool.report.failure import describe
from pytest_nki_pool.report.tally import Tally
from pytest_nki_pool.report.terminal import summary, table, title
from pytest_nki_pool.run import Workbench
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.corpus import TIERS
from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec
from pytest_nki_pool.spec.platforms import GENERATIONS
from pytest_nki_pool.verdict import CONSEQUENCES, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from os import PathLike

#: How many failures the text of a report shows in full.
_SHOWN = 3


class NotConformant(AssertionError):  # noqa: N818  (what is asserted is that the kernel conforms)
    """A kernel does not conform, or nobody can tell; the message is the text of its report."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every case.

    Attributes:
        verdicts: in the order of their identities.
        exit_code: what a run of pytest would end with: 0, 1, or 75 when only a retry can tell.
        reason: why, where the verdicts do not say it.
        reruns: for each verdict of `failures`, the call that runs its case alone.
    """

    verdicts: tuple[Verdict, ...]
    exit_code: int
    reason: str = ""
    reruns: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether something ran, and every verdict is good."""
        return self.exit_code == 0

    @property
    def counts(self) -> Mapping[Status, int]:
        """How many verdicts of each status there are."""
        return MappingProxyType(Counter(verdict.finding.status for verdict in self.verdicts))

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The verdicts that keep the kernel from conforming."""
        return tuple(v for v in self.verdicts if CONSEQUENCES[v.finding.status].gate != "good")

    def __str__(self) -> str:
        if not self.verdicts:
            return self.reason
        failures = [describe(*pair) for pair in zip(self.failures[:_SHOWN], self.reruns, strict=False)]
        more = len(self.failures) - len(failures)
        closing = [*([f"and {more} more"] if more else []), *([self.reason] if self.reason else [])]
        head = [f"{title(self.verdicts)}: {summary(self.verdicts)}", *table(self.verdicts)]
        return "\n\n".join(["\n".join(head), *failures, *closing])

    def raise_for_failures(self) -> None:
        """Return if the kernel conforms.

        Raises:
            NotConformant: it does not, or nothing was executed.
        """
        if not self.ok:
            raise NotConformant(str(self))


def check_kernel(
    kernel: str | KernelSpec | Callable[..., Any],
    *,
    backends: Collection[str] | None = None,
    target: str = "auto",
    platforms: Sequence[str] = ("trn2",),
    tier: str = "standard",
    seed: int = 0,
    checks: Sequence[str] = (),
    cases: Iterable[str | Case] = (),
    expect: str | PathLike[str] | Iterable[str | PathLike[str]] = (),
    **spec: Any,
) -> Report:
    """Run the suite on one kernel.

    Args:
        kernel: ``package.module:function``, ``path/to/file.py:function`` (relative to the working directory), a
            `KernelSpec`, or a function that stands at the top of a file: a private copy of that file is launched.
        backends: framework paths, of "baremetal", "torch" and "jax"; None for every one installed.
        target: "auto", "device", "simulator" or "emulator".
        platforms: chips to model or expect; those of one generation run once.
        tier: "smoke", "standard" or "full".
        seed: seed of the random data families.
        checks: checks or groups by name; empty for all.
        cases: single cases, such as "c128h56w56k2:bf16:normal:s17"; empty for those of the tier.
        expect: TOML files of known failures and flaky cases, with the meaning that ``--nki-expect`` gives them: a known
            failure is good, but one that passes, fails in another way or has expired is not, nor is an entry that fits
            no case of any run, unless `cases` are given.
        **spec: fields of `KernelSpec` and of `Capabilities` by their names, such as ``layout="NHWC"`` or
            ``accuracy="native"``; they replace those of a spec that is given.

    Raises:
        ValueError: something asked for does not exist or cannot be had here.
        TypeError: the kernel is none of the above, or there is no such field.
        KernelLoadError: the target does not lead to a function.
        KernelSignatureError: its parameters cannot be mapped.
        KernelClaimError: it claims what no kernel can.
        ExpectationError: a file of expectations cannot be read or understood.
    """
    described = _described(_spec_of(kernel), spec)
    place, missing = choose(_known("target", [target], ("auto", *TARGETS))[0])
    if missing:
        raise ValueError(f"target {place}: {missing}")
    if place == "device":
        raise ValueError("target device: check_kernel leases no NeuronCore; run pytest with --nki-target=device")
    plan = Plan(
        kernels=(described,),
        backends=_paths(backends),
        target=place,
        platforms=_one_per_generation(_known("platform", platforms, GENERATIONS)),
        tier=_known("tier", [tier], TIERS)[0],
        seed=_seed(seed),
        checks=_known("check", checks, (*GROUPS, *CHECKS)),
        cases=tuple(case if isinstance(case, Case) else Case.parse(case) for case in cases),
    )
    files = _files(expect)
    known = expectations.read(files)
    bench = Workbench(place, Path.cwd())
    bench.kernel(described)
    tally = Tally()
    for trial in (trial for group in GROUPS for trial in plan.trials(group)):
        verdict = known.apply(bench.verdict(trial))
        tally.record(verdict.to_json(), when="call", outcome=CONSEQUENCES[verdict.finding.status].outcome)
    seen = {str(verdict.identity) for verdict in tally.verdicts}
    faults = known.faults(seen, every_identity([described], {0, plan.seed})) if files and not plan.cases else []
    decision = tally.decide(0, concerned=True, faults=faults)
    report = Report(tuple(tally.verdicts), decision.exit_code, decision.reason)
    given = [repr(kernel) if isinstance(kernel, str) else "kernel", *(f"{name}={spec[name]!r}" for name in spec)]
    given += [f"expect={[str(file) for file in files]!r}"] if files else []
    return replace(report, reruns=tuple(_rerun(given, verdict) for verdict in report.failures))


def _spec_of(kernel: str | KernelSpec | Callable[..., Any]) -> KernelSpec:
    if isinstance(kernel, KernelSpec):
        return kernel
    if isinstance(kernel, str):
        return KernelSpec(kernel)
    if not callable(kernel):
        raise TypeError(f"a kernel is a target string, a KernelSpec or a function, not {kernel!r}")
    return KernelSpec(_target_of(kernel))


def _target_of(kernel: Callable[..., Any]) -> str:
    """The target that leads to a function: the name it has at the top of its module.

    Raises:
        ValueError: it stands in no file, or not at the top of one.
    """
    inner = innermost(kernel)
    code, name = getattr(inner, "__code__", None), getattr(inner, "__module__", "")
    file = Path(code.co_filename) if code else Path()
    bound = vars(sys.modules[name]) if name in sys.modules else {}
    names = [key for key, value in bound.items() if value is kernel]
    plain = getattr(inner, "__qualname__", "")
    if not names and plain.isidentifier() and innermost(bound.get(plain)) is inner:
        names = [plain]
    if not file.is_file() or not names:
        raise ValueError(
            f"{kernel!r} does not stand at the top of a file that can be loaded; "
            "give package.module:function or path/to/file.py:function"
        )
    return f"{name if _leads_to(name, file) else file}:{names[0]}"


def _leads_to(name: str, file: Path) -> bool:
    try:
        return locate_module(name).path.resolve() == file.resolve()
    except ModuleNotFoundError:
        return False


def _described(spec: KernelSpec, given: Mapping[str, Any]) -> KernelSpec:
    """The spec with some of its fields, and of its claims, replaced."""
    claims = {field.name for field in fields(Capabilities)}
    known = claims | {field.name for field in fields(KernelSpec)} - {"target"}
    for name in given:
        if name not in known:
            raise TypeError(f"check_kernel takes no {name!r}; a kernel has {', '.join(sorted(known))}")
    capabilities = given.get("capabilities", spec.capabilities)
    changed = replace(capabilities, **{name: given[name] for name in given if name in claims})
    return replace(spec, **{**{name: given[name] for name in given if name not in claims}, "capabilities": changed})


def _paths(asked: Collection[str] | None) -> tuple[str, ...]:
    if asked is None:
        return tuple(name for name, backend in BACKENDS.items() if not backend.missing())
    names = _known("backend", asked, BACKENDS)
    for name in names:
        if BACKENDS[name].missing():
            raise ValueError(f"{name}: {BACKENDS[name].missing()}")
    return tuple(name for name in BACKENDS if name in names)


def _files(given: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[Path]:
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    return [Path(file).expanduser() for file in several]


def _one_per_generation(platforms: Iterable[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for platform in platforms:
        first.setdefault(GENERATIONS[platform], platform)
    return tuple(first.values())


def _known(what: str, asked: Collection[str], known: Collection[str]) -> tuple[str, ...]:
    """What was asked for, each a known name.

    Raises:
        ValueError: one is not, or there is a text where several names are expected.
    """
    if isinstance(asked, str):
        raise ValueError(f"{what}s are several names, such as ({asked!r},), not one text")  # noqa: TRY004
    for name in asked:
        if name not in known:
            raise ValueError(f"{what} {name!r} is not known; choose from {', '.join(dict.fromkeys(known))}")
    return tuple(dict.fromkeys(asked))


def _seed(seed: int) -> int:
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed {seed!r}: give a whole number >= 0")
    return seed


def _rerun(given: Sequence[str], verdict: Verdict) -> str:
    """The call that runs the case of a verdict alone."""
    identity = verdict.identity
    chosen = {
        "backends": tuple(identity.backend.split("+")),
        "target": identity.target,
        "platforms": (identity.platform,),
        "checks": (identity.check,),
        "cases": (identity.case,),
    }
    return f"check_kernel({', '.join((*given, *(f'{name}={value!r}' for name, value in chosen.items())))})"
