"""The chart: a panel for CPU time per request, one for latency, a bar for each proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report import OURS


if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.figures import Spread


OURS_COLOUR, PEER_COLOUR = "#c2410c", "#64748b"
FADED = 0.55  # the opacity of the second series in a panel
DPI = 150
WIDE = 50  # so many times the least median, and a panel is logarithmic


def panel(axes: Axes, title: str, series: list[tuple[str, dict[str, Spread]]]) -> None:
    """Horizontal bars of medians with whiskers from the least to the greatest round."""
    names = list(series[0][1])
    thickness = 0.8 / len(series)
    for index, (label, spreads) in enumerate(series):
        shown = [(place, spreads[name]) for place, name in enumerate(names) if name in spreads]
        axes.barh(
            [place + index * thickness for place, _ in shown],
            [spread.median for _, spread in shown],
            height=thickness * 0.92,
            color=[OURS_COLOUR if names[place] == OURS else PEER_COLOUR for place, _ in shown],
            alpha=FADED if index else 1,
            xerr=[
                [spread.median - spread.low for _, spread in shown],
                [spread.high - spread.median for _, spread in shown],
            ],
            ecolor="#0f172a",
            capsize=2.5,
            error_kw={"elinewidth": 1},
        )
        for place, spread in shown:
            text = f"{label} {spread.median:,.0f}".strip()
            position = (spread.high, place + index * thickness)
            axes.annotate(
                text, position, xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks([place + 0.4 - thickness / 2 for place in range(len(names))], names)
    axes.invert_yaxis()
    values = [spread for _, each in series for spread in each.values()]
    greatest, least = max(it.high for it in values), min(it.median for it in values)
    if greatest > WIDE * least:
        axes.set_xscale("log")  # else an outlier leaves the others no room
        axes.set_xlim(least / 2, greatest * 6)
        title += ", logarithmic"
    else:
        axes.set_xlim(0, 1.25 * greatest)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def draw(file: Path, panels: dict[str, list[tuple[str, dict[str, Spread]]]], note: str) -> None:
    """Writes a PNG: a panel for each title, the note below."""
    import matplotlib as mpl  # noqa: PLC0415 - in the extra `bench` alone, and slow to import

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    figure, axes = plt.subplots(1, len(panels), figsize=(6 * len(panels), 4.2), squeeze=False)
    for (title, series), each in zip(panels.items(), axes[0], strict=True):
        panel(each, title, series)
    figure.text(0.01, 0.01, note, fontsize=7, color="#475569")
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(file, dpi=DPI)
    plt.close(figure)
