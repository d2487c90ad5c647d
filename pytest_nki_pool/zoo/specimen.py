"""What a kernel of the zoo is."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec


@dataclass(frozen=True, slots=True)
class Specimen:
    """One kernel of the zoo.

    Attributes:
        target: ``package.module:function``.
        name: its name in ids and in the kill table.
        about: what it does; for a wrong kernel its mistake. One sentence.
        killed_by: the test group meant to catch it; empty for a right kernel.
        emulator_rule: whether it breaks a rule of NKI, so that a refusal by the emulator is what kills it.
        claims: what it claims.
        survives: why the group meant for it lets it live today; empty when it does not.
    """

    target: str
    name: str
    about: str
    killed_by: str = ""
    emulator_rule: bool = False
    claims: Capabilities = field(default_factory=Capabilities)
    survives: str = ""

    @property
    def kernel(self) -> KernelSpec:
        """The kernel as a run takes it; dialect and convention are found from its file."""
        return KernelSpec(self.target, self.name, capabilities=self.claims)


def wrong(
    file: str,
    name: str,
    killed_by: str,
    about: str,
    *,
    claims: Capabilities | None = None,
    emulator_rule: bool = False,
    survives: str = "",
) -> Specimen:
    """A function of `pytest_nki_pool.kernels.mutants`; arguments as the attributes of `Specimen`."""
    target = f"pytest_nki_pool.kernels.mutants.{file}:{name}"
    return Specimen(target, name, about, killed_by, emulator_rule, claims or Capabilities(), survives)


def right(file: str, name: str, about: str, *, claims: Capabilities | None = None) -> Specimen:
    """A function of `pytest_nki_pool.kernels.variants`; its name in the table ends with that of its file."""
    target = f"pytest_nki_pool.kernels.variants.{file}:{name}"
    return Specimen(target, f"{name}_{file}", about, claims=claims or Capabilities())
