"""The report: one file of HTML that needs no network, to look at first and to read after.

`page` puts it together; `sections`, `tables`, `gallery`, `bytes` and `details` write its parts;
`explorer` packs the trained models that the page computes with, `levels` what it counts bytes with;
`charts` draws small pictures as SVG; `markup` escapes.
The template, the style and the explorer's code are next to them, in files of their own kind.
"""

from study.report.page import write_report

__all__ = ["write_report"]
