"""One HTML page that shows a table's scores, and opens offline.

``gather`` reads all that is shown, ``render`` makes the page of it through the templates; every
other file is one part of either.
"""

from raygrad.ood.report.contents import Contents, gather
from raygrad.ood.report.page import render

__all__ = ["Contents", "gather", "render"]
