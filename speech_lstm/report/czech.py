"""The words of figures in Czech. The page of `speech-lstm web` translates its drawings with the same tables."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "cs"]  # of the words in figures

# A whole text of a drawing → Czech.
TEXTS = {
    # roles
    "forget gate": "zapomínací brána",
    "input gate": "vstupní brána",
    "output gate": "výstupní brána",
    "candidate": "kandidát",
    "memory, long term": "paměť, dlouhodobá",
    "output, short term": "výstup, krátkodobý",
    "output": "výstup",
    "reset gate": "nulovací brána",
    "update gate": "obnovovací brána",
    "hidden state": "skrytý stav",
    "depth gate": "brána hloubky",
    "clock: the unit moves": "hodiny: jednotka se hýbe",
    "input gate of time": "vstupní brána času",
    "forget gate of time": "zapomínací brána času",
    "output gate of time": "výstupní brána času",
    "candidate of time": "kandidát času",
    "memory of time": "paměť času",
    "output of time": "výstup času",
    "input gate of depth": "vstupní brána hloubky",
    "forget gate of depth": "zapomínací brána hloubky",
    "output gate of depth": "výstupní brána hloubky",
    "candidate of depth": "kandidát hloubky",
    "memory of depth": "paměť hloubky",
    "output of depth": "výstup hloubky",
    "input gate of frequency": "vstupní brána kmitočtu",
    "forget gate of frequency": "zapomínací brána kmitočtu",
    "output gate of frequency": "výstupní brána kmitočtu",
    "candidate of frequency": "kandidát kmitočtu",
    # words of the drawings
    "LT, long term": "LT, dlouhodobá",
    "ST, short term": "ST, krátkodobá",
    "is kept": "zůstane",
    "of z is written": "ze z se zapíše",
    "input x": "vstup x",
    "no sum of its own": "bez vlastního součtu",
    "σ of": "σ pro",
    "tanh of": "tanh pro",
    "relu of": "relu pro",
    "of": "součet",
    "before": "před",
    "after": "po",
    "other": "jiné",
    "step t": "krok t",
    "step t − 1": "krok t − 1",
    "step t + 1": "krok t + 1",
    "the same weights at every frame": "v každém rámci stejné váhy",
    "clock": "hodiny",
    "depth": "hloubka",
    # cells
    "LSTM (NP: no peepholes)": "LSTM (bez peephole spojení)",
    "peephole LSTM (Greff's vanilla)": "LSTM s peephole spojeními (Greffova základní)",
    "no input gate": "bez vstupní brány",
    "no forget gate": "bez zapomínací brány",
    "no output gate": "bez výstupní brány",
    "no input activation function": "bez aktivační funkce vstupu",
    "no output activation function": "bez aktivační funkce výstupu",
    "coupled input and forget gate": "spojená vstupní a zapomínací brána",
    "full gate recurrence": "brány závislé na všech branách",
    "Grid LSTM (time × depth)": "Grid LSTM (čas × hloubka)",
    "time-frequency Grid LSTM (first layer)": "Grid LSTM přes čas a kmitočet (první vrstva)",
    "GRU (reset after the product)": "GRU (nulování po součinu)",
    "GRU (reset before the product)": "GRU (nulování před součinem)",
    "LiGRU (light GRU)": "LiGRU (lehká GRU)",
    "IndRNN (independent units)": "IndRNN (nezávislé jednotky)",
    "plain RNN (tanh)": "prostá RNN (tanh)",
    "plain RNN (relu)": "prostá RNN (relu)",
}
# Phrases within a text that has no translation as a whole: the equations of cells.
PHRASES = {
    "where 2^g divides t": "kde 2^g dělí t",
    "elsewhere": "jinde",
    "for time and for depth": "pro čas i pro hloubku",
    "for time and for frequency": "pro čas i pro kmitočet",
    "x is h_depth and depth's m⁻ is m_depth of the layer below": "x je h_depth a m⁻ hloubky je m_depth vrstvy pod ní",
    "frequency's m⁻ is that of band b−1": "m⁻ kmitočtu je z pásma b−1",
    "in band b": "v pásmu b",
    "likewise": "obdobně",
    "where x ≥ 0, else": "pro x ≥ 0, jinak",
    "peephole with": "peephole s",
    "nine more matrices R": "o devět matic R více",
    "U = identity and b = 0 at the start": "na začátku U = identita a b = 0",
}

# A part of a text of a plot → Czech. The page has no plots.
PLOTS = {
    # of the gates
    "MFCC, normalised as the network reads them": "MFCC, normované, jak je síť čte",
    "log-mel bands, normalised as the network reads them": "pásma log-mel, normovaná, jak je síť čte",
    "waveform": "průběh",
    "what the answer needed": "co odpověď potřebovala",
    "gradient, of its largest": "gradient, díl největšího",
    "points": "body",
    "probability, %": "pravděpodobnost, %",
    "the answer if the recording ended here": "odpověď, kdyby zde nahrávka skončila",
    "time, s": "čas, s",
    "units in the order of the weights": "jednotky v pořadí vah",
    "units from bottom to top by when their output is largest": "jednotky zdola nahoru podle doby největšího výstupu",
    "units from bottom to top by the half-life of their memory, the longest first": (
        "jednotky zdola nahoru podle poločasu paměti, nejdelší dole"
    ),
    "units from bottom to top by what the answer loses without them, the most first": (
        "jednotky zdola nahoru podle toho, co bez nich odpověď ztratí, nejvíc dole"
    ),
    # of gradients
    "untrained": "netrénované",
    "trained on single words": "trénované na jednotlivých slovech",
    "length of the sequence, s": "délka posloupnosti, s",
    "share of the gradient that is left": "díl gradientu, který zbývá",
    "share of the gradient that is left,": "díl gradientu, který zbývá,",
    "share that reaches the first frame": "díl, který dojde k prvnímu rámci",
    "The gradient on its way back through recordings": "Gradient na cestě nahrávkami zpět",
    "distance T − t, steps": "vzdálenost T − t, kroky",
    "one recurrent weight: h = w h⁻ + x": "jedna rekurentní váha: h = w h⁻ + x",
    "a forget gate: c = f c⁻ + i z": "zapomínací brána: c = f c⁻ + i z",
    "A weight to the power of the steps": "Váha umocněná na počet kroků",
    "σ to the power T − t": "σ umocněné na T − t",
    "distance from the last frame, s": "vzdálenost od posledního rámce, s",
    "all singular values of U equal to σ": "všechna singulární čísla U rovna σ",
    "without clipping": "bez ořezávání",
    "highest norm with clipping": "nejvyšší norma při ořezávání",
    "norm of the whole gradient before clipping,": "norma celého gradientu před ořezáním,",
    "guessing ": "hádání ",
    "loss of the same trainings, nats": "ztráta při týchž trénováních, naty",
    "(mean of ten steps)": "(průměr deseti kroků)",
    "step of training": "krok trénování",
    "Singular values above 1, and clipping": "Singulární čísla nad 1 a ořezávání",
    "knows ": "zná ",
    "no better than guessing": "ne lépe než hádání",
    "length N of the recording, s": "délka N nahrávky, s",
    "accuracy, %": "úspěšnost, %",
    "which of two words began it?": "kterým ze dvou slov začala?",
    "the word": "slovo",
    "A word, and then noise": "Slovo a potom šum",
}
# Parts with numbers and names in them.
PATTERNS = {
    r"layer (\d+) of (\d+), forward": r"vrstva \1/\2, vpřed",
    r"layer (\d+) of (\d+), backward": r"vrstva \1/\2, vzad",
    r"layer (\d+) forward": r"vrstva \1 vpřed",
    r"layer (\d+) backward": r"vrstva \1 vzad",
    r"unit (\d+)": r"jednotka \1",
    r"frame (\d+) at ([\d.]+) s": r"rámec \1 v čase \2 s",
    r"answer (\S+ [\d.]+ %)": r"odpověď \1",
    r"answer: (\S+ +[\d.]+ %)": r"odpověď: \1",
    r"(\d+) units": r"jednotky: \1",
    r"(\d+) coefficients": r"koeficienty: \1",
    r"(\d+) bands": r"pásma: \1",
    r"lost when (\d+) ms are hidden": r"ztraceno, skryje-li se \1 ms",
    r"panels of (\d+(?: or \d+)*) rows in the order of the weights": r"řádky map s \1 řádky v pořadí vah",
    r"clipped to (\S+)": r"ořezáno na \1",
    r"plain RNN started with (.+)": r"prostá RNN, na začátku \1",
    r"share of the gradient that is left, (N = \d+ s), trained": r"díl gradientu, který zbývá, \1, po trénování",
}
# Between the parts of a text that are translated one by one.
BETWEEN = re.compile(r"(\n| {3}|; | · |, (?=layer|unit|frame)|: (?=layer))")
DECIMAL = re.compile(r"(?<![\w.])(\d+)\.(\d+)(?![\w.])")


def in_czech(text: str) -> str:
    """A text of a figure in Czech; as it is if it has no English words."""
    if text in TEXTS:
        return TEXTS[text]
    for phrase, translation in PHRASES.items():
        text = text.replace(phrase, translation)
    return text


def plot_in_czech(text: str) -> str:
    """A text of a plot or the caption of a drawing in Czech, with decimal commas."""
    return DECIMAL.sub(r"\1,\2", "".join(map(part_in_czech, BETWEEN.split(text))))


def part_in_czech(part: str) -> str:
    if part in PLOTS:
        return PLOTS[part]
    for pattern, czech in PATTERNS.items():
        if re.fullmatch(pattern, part):
            return re.sub(pattern, czech, part)
    return in_czech(part)
