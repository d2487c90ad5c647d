"""The zoo: wrong kernels that the suite must kill, right ones that it must pass, and the table of who kills whom."""

from pytest_nki_pool.zoo.behaviour import BEHAVIOUR
from pytest_nki_pool.zoo.claims import CLAIMS
from pytest_nki_pool.zoo.geometry import GEOMETRY
from pytest_nki_pool.zoo.specimen import Specimen
from pytest_nki_pool.zoo.table import Cell, Row, kill_table
from pytest_nki_pool.zoo.variants import VARIANTS

#: All wrong kernels.
MUTANTS: tuple[Specimen, ...] = (*GEOMETRY, *BEHAVIOUR, *CLAIMS)

__all__ = ["MUTANTS", "VARIANTS", "Cell", "Row", "Specimen", "kill_table"]
