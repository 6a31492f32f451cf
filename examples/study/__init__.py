"""The paper's experiment as a study: its protocols, many seeds, figures, answers, a report.

What is trained: `paper` has what the paper published, `data` and `protocols` what is trained on
what, `training` one pair of models, `run` all of them, resumed where they stopped, `cluster` on
other machines. What came out: `results` and `bias_runs`, read from the trained models; `baselines`
and `statistics` to compare with; `measures` in numbers, `answers` in sentences; `verdicts`,
`bias_verdicts` and `claims` on the paper's text; `bias_worth` on what its second question asks;
`table`, `figures` and `report` to read; `summary` writes them all.
"""
