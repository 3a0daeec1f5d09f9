"""One self-contained HTML page per run, built from the run's files alone."""

from grpo.report.page import write_comparison, write_report
from grpo.report.picture import write_curve_picture

__all__ = ["write_comparison", "write_curve_picture", "write_report"]
