"""The report of a benchmark in a document: what was run replaces what it was, and nothing else.

SPDX-License-Identifier: Apache-2.0
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from forecasting.report import Report, begin, end  # noqa: E402

DOCUMENT = f"Before.\n{begin('speed')}slow\n{end('speed')}\nBetween.\n{begin('capacity')}large\n{end('capacity')}After.\n"


def report_of(part, verdict):
    report = Report()
    report.begin(part)
    report.heading(part)
    report.verdict("a goal", verdict, 1, 2)
    report.finish()
    return report


def test_only_the_parts_that_were_run_are_replaced(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(DOCUMENT)
    report_of("capacity", False).put_into(path)
    text = path.read_text()
    assert text.startswith(DOCUMENT.partition("large")[0] + "### capacity\n")
    assert text.endswith("| a goal |     1 |      2 | MISSED |\n" + end("capacity") + "After.\n")
    assert "large" not in text
    report_of("speed", True).put_into(path)
    assert "slow" not in path.read_text() and "MISSED" in path.read_text() and "reached" in path.read_text()


def test_goals_of_what_was_not_run_are_read_from_the_document(tmp_path, capsys):
    path = tmp_path / "document.md"
    path.write_text(begin("goals") + end("goals") + DOCUMENT)
    report_of("capacity", False).put_into(path)
    report_of("speed", None).put_into(path)
    goals = path.read_text().partition(end("goals"))[0]
    assert "Goals: 1 MISSED, 1 open.\n" in goals
    assert "| speed    | a goal |     1 |      2 |   open |\n| capacity | a goal |     1 |      2 | MISSED |\n" in goals
    report = report_of("speed", True)
    capsys.readouterr()
    report.finish_all()
    assert "Goals: 1 reached.\n" in capsys.readouterr().out


def test_a_document_without_the_part_stays_as_it_is(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(DOCUMENT)
    with pytest.raises(SystemExit, match="accuracy"):
        report_of("accuracy", True).put_into(path)
    assert path.read_text() == DOCUMENT
