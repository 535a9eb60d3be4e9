"""The tables of the terminal, on made-up results."""

from __future__ import annotations

from live_gradcam.evaluate.tables import classes_table, totals_table
from tests.evaluate.support import make_image_result, make_result


def test_the_tables_fit_the_terminal() -> None:
    labels = [f"a class with quite a long name, number {index}" for index in range(500)]
    result = make_result([make_image_result(i, i % 500) for i in range(1500)], labels)
    for width in (40, 80, 200):
        table = classes_table(result.summary, width=width, height=12)
        assert table is not None
        heading, rows = table
        assert len(rows) == 12
        assert len(heading) > 3 or width == 40
        widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(len(heading))]
        assert sum(widths) + 2 * len(widths) <= max(width, 48)
    heading, rows = totals_table(result)
    assert heading == ["all", "gradcam"]
    assert ["pictures", "1500"] in rows
    assert ["on object", "90.0 %"] in rows
