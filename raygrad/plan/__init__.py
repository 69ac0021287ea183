"""The plan: which rows make which unit, frozen when it is first made."""

from raygrad.plan.changes import changed_files, concerning, new_files, refuse_changes
from raygrad.plan.cut import Group, make
from raygrad.table.plan_file import load, save
from raygrad.table.units import Unit, Units

__all__ = [
    "Group",
    "Unit",
    "Units",
    "changed_files",
    "concerning",
    "load",
    "make",
    "new_files",
    "refuse_changes",
    "save",
]
