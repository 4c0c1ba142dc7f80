"""Medians, and tables in Markdown."""
import statistics


def middle(runs, key):
    """The median of one figure over the rounds."""
    figures = [run[key] for run in runs if key in run]
    # A round in which nothing was answered has no times.
    return statistics.median(figures) if figures else float("nan")


def spread(runs, key, digits=2):
    """The same with the least and the most."""
    figures = [run[key] for run in runs if key in run]
    if not figures:
        return "–"
    return f"{middle(runs, key):,.{digits}f} ({min(figures):,.{digits}f}–{max(figures):,.{digits}f})"


def times(runs, name):
    """Median and 99th percentile of a time in milliseconds, each the median over the rounds."""
    if not any(name + "_p50_us" in run for run in runs):
        return "–"
    return f"{middle(runs, name + '_p50_us') / 1000:.2f} / {middle(runs, name + '_p99_us') / 1000:.2f}"


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
