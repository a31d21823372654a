"""What the bench prints: Markdown that reads well on a terminal too. Progress goes to stderr.

SPDX-License-Identifier: Apache-2.0
"""

def begin(part):
    return f"<!-- bench {part}: begin -->\n"


def end(part):
    return f"<!-- bench {part}: end -->\n"


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

    def put_into(self, path):
        """Replaces what stands between the markers of the parts that were run; the others stay as they are."""
        text = path.read_text()
        for part, lines in self.parts.items():
            before, found, rest = text.partition(begin(part))
            _, ended, after = rest.partition(end(part))
            if not found or not ended:
                raise SystemExit(f"{path}: the markers {begin(part).strip()} and {end(part).strip()} are missing")
            text = before + begin(part) + "\n".join(lines).strip("\n") + "\n" + end(part) + after
        path.write_text(text)
