"""Medians, and tables in Markdown."""
import statistics


def middle(runs, key):
    """The median of one figure over the rounds."""
    return statistics.median(run.get(key, float("nan")) for run in runs) if runs else float("nan")


class Table:
    def __init__(self, title, columns):
        self.title, self.columns, self.rows, self.notes = title, columns, [], []

    def row(self, cells):
        assert len(cells) == len(self.columns), (self.title, cells)
        self.rows.append(cells)

    def note(self, text):
        self.notes.append(text)

    def __str__(self):
        def line(cells):
            return "| " + " | ".join(cells) + " |"
        lines = [f"## {self.title}", "", line(self.columns), line(["---"] * len(self.columns))]
        lines += [line(row) for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"
