"""The words of figures in Czech. The page of `speech-lstm web` translates its drawings with the same table."""

from __future__ import annotations

# A whole text of a figure → Czech.
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


def in_czech(text: str) -> str:
    """A text of a figure in Czech; as it is if it has no English words."""
    if text in TEXTS:
        return TEXTS[text]
    for phrase, translation in PHRASES.items():
        text = text.replace(phrase, translation)
    return text
