"""The content of a report, as lists that tests can search."""


def causes(report):
    """The labels of all causes in all findings."""
    return [cause for finding in report.diagnosis.findings for cause in finding.causes]


def kinds(report):
    """The kinds of all causes in all findings."""
    return [kind for finding in report.diagnosis.findings for kind in finding.kinds]
