"""Figures with their words in another language than English."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

from speech_lstm.report.czech import Language, plot_in_czech


class Commas(Formatter):
    """The numbers of another formatter with decimal commas."""

    def __init__(self, plain: Formatter) -> None:
        self.plain = plain

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.plain(x, pos).replace(".", ",")

    def format_ticks(self, values: list[float]) -> list[str]:
        return [text.replace(".", ",") for text in self.plain.format_ticks(values)]


def in_language(figure: Figure, language: Language) -> Figure:
    """The figure with its texts and the numbers of its axes in a language."""
    if language == "cs":
        for text in figure.findobj(Text):
            text.set_text(plot_in_czech(text.get_text()))
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(Commas(axis.get_major_formatter()))
    return figure
