"""What the bench prints: Markdown that reads well on a terminal too. Progress goes to stderr. The goals of all parts come
together in one more part, `goals`; in a document those of the parts that were not run are read from their tables there.

SPDX-License-Identifier: Apache-2.0
"""

import re

GOALS = "goals"
STATES = ["reached", "MISSED", "open"]


def begin(part):
    return f"<!-- bench {part}: begin -->\n"


def end(part):
    return f"<!-- bench {part}: end -->\n"


def goals_of(part, text):
    """The rows of the table of goals that a part ends with."""
    _, _, table = text.partition(f"### Goals: {part}\n")
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    return rows[2:]


def replaced(text, part, lines):
    """None: its markers are missing."""
    before, found, rest = text.partition(begin(part))
    _, ended, after = rest.partition(end(part))
    return before + begin(part) + "\n".join(lines).strip("\n") + "\n" + end(part) + after if found and ended else None


class Report:
    def __init__(self):
        self.parts = {}

    def begin(self, part):
        """What is said from here on belongs to this part; its goals come last."""
        self.part, self.lines, self.verdicts = part, [], []
        self.parts[part] = self.lines

    def say(self, text=""):
        print(text, flush=True)
        self.lines.append(text)

    def heading(self, text):
        self.say(f"\n### {text}\n")

    def table(self, head, rows):
        cells = [[str(cell) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

        def line(row):
            return "| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                     for i, (cell, width) in enumerate(zip(row, widths))) + " |"

        self.say(line(cells[0]))
        self.say("|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|")
        for row in cells[1:]:
            self.say(line(row))

    def verdict(self, what, reached, found, goal):
        """reached None: it cannot be told from this run."""
        self.verdicts.append([what, found, goal, "open" if reached is None else "reached" if reached else "MISSED"])

    def finish(self):
        """Ends the part."""
        self.heading(f"Goals: {self.part}")
        self.table(["goal", "found", "wanted", ""], self.verdicts)

    def summary(self, rows):
        """Every goal with what was found, and how many there are of each state."""
        counts = [f"{count} {state}" for state in STATES if (count := sum(row[-1] == state for row in rows))]
        self.begin(GOALS)  # In a document without a heading of its own.
        self.say(f"Goals: {', '.join(counts)}.\n")
        self.table(["part", "goal", "found", "wanted", ""], rows)

    def finish_all(self):
        self.begin(GOALS)
        self.heading("All goals of this run")
        self.summary([[part, *row] for part, lines in self.parts.items() for row in goals_of(part, "\n".join(lines))])

    def put_into(self, path):
        """Replaces what stands between the markers of the parts that were run; the others stay as they are."""
        text = path.read_text()
        for part, lines in self.parts.items():
            if part != GOALS:
                text = replaced(text, part, lines)
            if text is None:
                raise SystemExit(f"{path}: the markers {begin(part).strip()} and {end(part).strip()} are missing")
        order = [part for part in re.findall("<!-- bench (.*): begin -->", text) if part != GOALS]
        self.summary([[part, *row] for part in order
                      for row in goals_of(part, text.partition(begin(part))[2].partition(end(part))[0])])
        path.write_text(replaced(text, GOALS, self.parts[GOALS]) or text)
