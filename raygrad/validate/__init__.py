"""Everything that can be known about a job before Ray starts: its dry run.

:func:`prepare` refuses a faulty job whole, with every fault that it finds; :func:`report` measures
a sound one on a few rows.
"""

from raygrad.validate.job import Job
from raygrad.validate.prepare import prepare
from raygrad.validate.report import Report, report

__all__ = ["Job", "Report", "prepare", "report"]
