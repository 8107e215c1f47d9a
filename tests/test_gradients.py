"""Gradients through time: the measure, the textbook case, the task, the report and the command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_lstm.config import NetworkConfig
from speech_lstm.corpus.clip_cache import load_clips
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.insight.gradient_figures import styles_of
from speech_lstm.insight.gradient_parts import FlowPart, MatrixPart, MemoryPart
from speech_lstm.insight.gradient_study import Choice, FlowResult, MatrixResult, MemoryResult, Study
from speech_lstm.insight.gradients import Flow, Passage, gradient_flow, state_norms
from speech_lstm.insight.memory_task import MemoryRun, Stage, chance_limit, run_memory_task, verdict
from speech_lstm.insight.recurrent_weight import (
    Descent,
    Spectrum,
    descents,
    gate_powers,
    plain_network,
    powers,
    singular_values,
)
from speech_lstm.insight.sequences import FEATURES, FRAMES, Sequences, read_sequences
from speech_lstm.insight.small_network import network_config, small_network
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.simple_loop import Learning, correct, learn
from support.command_line import call, refusal

EXAMPLE = Path(__file__).parents[1] / "docs" / "own_cell.py"


@pytest.fixture(scope="module")
def material(demo: Path) -> tuple[Sequences, Sequences]:
    return read_sequences(demo, ("yes", "no"), 4)


def small_stack(cell: str) -> Stack:
    torch.manual_seed(0)
    config = NetworkConfig(cell=cell, layers=1, hidden=4, bidirectional=False, clocks=2)
    return Stack(3, config).double().eval()


# --- the measure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "kind"), [("rnn", torch.nn.RNN), ("lstm", torch.nn.LSTM)])
def test_the_norms_are_those_of_torch(cell: str, kind: type[torch.nn.Module]) -> None:
    """∂loss/∂h_t of a torch.nn network with the same weights, run frame by frame."""
    stack, x = small_stack(cell), torch.randn(2, 6, 3, dtype=torch.float64)
    other = kind(3, 4).double()
    with torch.no_grad():
        for weight, value in zip(other._flat_weights, stack.layers[0].torch_weights(), strict=True):
            weight.copy_(value)
    state, hidden = None, []
    for frame in x.unbind(1):
        _, state = other(frame[None], state)
        h = state[0] if cell == "lstm" else state
        h.retain_grad()
        hidden.append(h)
    (hidden[-1] ** 2).sum().backward()
    expected = torch.stack([h.grad[0].norm(dim=1) for h in hidden], 1)
    assert torch.allclose(state_norms(stack, x, lambda h: (h[:, -1] ** 2).sum())["h"], expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("cell", ["rnn", "clockwork", "gru", "lstm", "peephole", "fgr", "mingru"])
def test_the_norms_are_those_of_finite_differences(cell: str) -> None:
    """A small change of a state changes the loss as its gradient predicts."""
    stack, x = small_stack(cell), torch.randn(1, 5, 3, dtype=torch.float64)
    norms = state_norms(stack, x, lambda h: h[:, -1].sin().sum())["h"][0]
    step = 1e-6

    def loss(at: int, push: torch.Tensor) -> float:
        calls = 0

        def tap(name: str, value: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            if name != "h":
                return value
            calls += 1
            return value + push if calls == at + 1 else value

        with torch.no_grad():
            return float(stack(x, taps=[tap])[0][:, -1].sin().sum())

    for at in range(5):
        pushes = step * torch.eye(4, dtype=torch.float64)
        slopes = torch.tensor([(loss(at, push) - loss(at, -push)) / (2 * step) for push in pushes])
        assert float(norms[at]) == pytest.approx(float(slopes.norm()), rel=1e-5, abs=1e-9)


def test_measuring_does_not_change_the_network(material: tuple[Sequences, Sequences]) -> None:
    network = small_network("lstm", seed=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flow = gradient_flow(network, *material[1].chain(2, 6, seed=0))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert flow.keys() == {"h", "c"}
    assert [len(part.median) for part in flow.values()] == [2 * FRAMES] * 2
    assert flow["h"].median[0] == 1
    h = flow["h"]
    assert all(low <= middle <= high for low, middle, high in zip(h.low, h.median, h.high, strict=True))


def test_the_hidden_state_of_a_grid_is_that_along_time(material: tuple[Sequences, Sequences]) -> None:
    """What goes up to the next layer is read by no later step."""
    flow = gradient_flow(small_network("grid", seed=1), *material[1].chain(1, 4, seed=0))
    assert list(flow) == ["h_time", "m_time", "h_depth", "m_depth"]
    assert flow["h_depth"].median[0] == 1
    assert not any(flow["h_depth"].norm[1:])
    assert all(flow["h_time"].norm[1:])


def test_reach() -> None:
    assert Flow([], [1.0, 0.5, 0.001, 0.0005, 0.002, 1e-9], [], []).reach == 4
    assert Flow([], [1.0], [], []).reach == 0


# --- a weight to the power of the steps --------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 1.5), st.integers(1, 30))
def test_the_powers_of_a_weight(weight: float, steps: int) -> None:
    assert powers(weight, steps) == pytest.approx([weight**k for k in range(steps + 1)], rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.floats(-2, 6), st.integers(1, 30))
def test_the_powers_of_a_forget_gate(bias: float, steps: int) -> None:
    gate = float(torch.tensor(bias, dtype=torch.float64).sigmoid())
    assert gate_powers(bias, steps) == pytest.approx([gate**k for k in range(steps + 1)], rel=1e-5)


def test_singular_values() -> None:
    assert singular_values(plain_network(1.5, seed=1)) == pytest.approx([1.5] * 32, rel=1e-5)


def test_clipping_holds_an_exploding_gradient(material: tuple[Sequences, Sequences]) -> None:
    """Both trainings start from the same gradient, and the first step of the one is 1 long and of the other huge."""
    free, clipped = descents(material[0], 1, 2, lambda seconds: None)
    assert free.learning.norms[0] == clipped.learning.norms[0] > 10
    assert free.singular_values[0] > clipped.singular_values[0]


# --- sequences and the task --------------------------------------------------------------------------------------


def test_the_clip_cache_of_training_is_used_as_it_is(demo_copy: Path) -> None:
    load_clips(demo_copy, [clip.name for clip in scan(demo_copy).clips], progress=False)
    copies = {path: path.stat().st_mtime_ns for path in demo_copy.glob(".speech_lstm/*")}
    read_sequences(demo_copy, ("yes", "no"), 4)
    assert {path: path.stat().st_mtime_ns for path in demo_copy.glob(".speech_lstm/*")} == copies
    assert len(copies) == 2  # samples and facts


def test_sequences(material: tuple[Sequences, Sequences]) -> None:
    training, scoring = material
    words = [{row.numpy().tobytes() for word in side.words for row in word} for side in material]
    assert not words[0] & words[1]
    for make in (training.chain, scoring.then_noise):
        features, labels = make(3, 10, seed=1)
        assert features.shape == (10, 3 * FRAMES, FEATURES.size)
        assert int(labels.sum()) == 5
        again, other = make(3, 10, seed=1)[0], make(3, 10, seed=2)[0]
        assert torch.equal(features, again)
        assert not torch.equal(features, other)
    features, labels = training.chain(3, 10, seed=1)
    for row, label in zip(features[:, -FRAMES:], labels, strict=True):
        assert any(torch.equal(row, recording) for recording in training.words[int(label)])
    features, labels = training.then_noise(3, 10, seed=1)
    for row, label in zip(features[:, :FRAMES], labels, strict=True):
        assert any(torch.equal(row, recording) for recording in training.words[int(label)])


def test_a_cell_learns_words(material: tuple[Sequences, Sequences]) -> None:
    training, network = material[0], small_network("lstm", seed=1)
    advance = Mock()
    learning = learn(network, lambda step: training.chain(1, 16, seed=step), 60, advance=advance)
    assert advance.call_count == 60
    assert learning.skipped == 0
    assert learning.losses[-1] < 0.5 * learning.losses[0]
    assert correct(network, *training.chain(1, 50, seed=99)) > 40


def test_a_step_whose_gradient_is_not_a_number_is_skipped(material: tuple[Sequences, Sequences]) -> None:
    network = small_network("rnn", seed=1)
    before = [parameter.clone() for parameter in network.stack.parameters()]
    features, labels = material[0].chain(1, 4, seed=0)
    learning = learn(network, lambda step: (features * torch.nan, labels), 2)
    assert learning.skipped == 2
    assert all(torch.equal(*pair) for pair in zip(before, network.stack.parameters(), strict=True))


def test_the_same_seed_gives_the_same_run(material: tuple[Sequences, Sequences]) -> None:
    one, two, other = (run_memory_task("gru", seed, material, (1, 2), 2, lambda seconds: None) for seed in (1, 1, 2))
    assert one == two
    assert one.stages[0].learning.losses != other.stages[0].learning.losses
    assert [len(stage.learning.losses) for stage in one.stages] == [8, 2]


# --- the report --------------------------------------------------------------------------------------------------


def study_of(*cells: str, recordings: int = 300) -> Study:
    """A study of sequences of 1 and 2 s, without results."""
    choice = Choice(Path("data"), ("yes", "no"), cells, (1, 2), 2, 50, ())
    return Study(choice, dict.fromkeys(cells, 1), {"training": 1, "scoring": recordings}, ())


def memory_part(accuracies: dict[str, list[list[float]]]) -> MemoryPart:
    """A memory task with these accuracies at 1 and 2 s: cell → seed → length."""
    runs = [
        MemoryRun(cell, seed, [Stage(i, round(100 * a), 100, Learning()) for i, a in enumerate(row, 1)], {})
        for cell, rows in accuracies.items()
        for seed, row in enumerate(rows, 1)
    ]
    return MemoryPart(study_of(*accuracies), MemoryResult(runs))


@pytest.mark.parametrize(
    ("lstm", "rnn", "fact"),
    [
        (0.9, 0.5, "could only guess: at 2 s."),
        (0.9, 0.65, "unsure: at 2 s. "),
        (0.9, 0.9, "did not outlast the plain network"),
        (0.6, 0.5, "did not outlast the plain network"),
    ],
)
def test_the_lstm_is_compared_with_the_plain_network(lstm: float, rnn: float, fact: str) -> None:
    part = memory_part({"lstm": [[0.95, lstm]] * 2, "rnn": [[0.9, rnn]] * 2})
    assert fact in part.findings()[-1]
    assert "rnn" not in " ".join(memory_part({"lstm": [[0.95, lstm]]}).findings())


@pytest.mark.parametrize(
    ("free", "clipped", "fact"),
    [
        (0.69, 0.3, "clipping held the explosion"),
        (float("nan"), 0.3, "clipping held the explosion"),
        (0.2, 0.3, "clipping did not help here"),
        (0.7, 0.69, "clipping was not enough here"),
    ],
)
def test_the_effect_of_clipping(free: float, clipped: float, fact: str) -> None:
    shares = [1.0, 0.5]
    trainings = [
        Descent(clip, Learning([9.9] * 10 + [loss] * 20, [1.0, 7.0]), [2.0])
        for clip, loss in ((None, free), (1.0, clipped))
    ]
    result = MatrixResult([Spectrum(2.0, [2.0], Flow(shares, shares, shares, shares))], trainings)
    sentences = MatrixPart(study_of(), result).findings()
    assert fact in sentences[-1]
    assert f"{free:.2f} without clipping and {clipped:.2f} with it" in sentences[-1]  # of the last steps alone
    assert any("σ = 2, though above 1" in sentence for sentence in sentences)


def test_how_far_the_gradient_reaches_is_reported() -> None:
    fades, grows = ([factor**k for k in range(2 * FRAMES)] for factor in (0.7, 1.1))
    passages = [
        Passage(cell, 1, trained, seconds, 8, {"h": Flow(shares, shares, shares, shares)})
        for cell, shares in (("gru", grows), ("rnn", fades))
        for trained in (False, True)
        for seconds in (1, 2)
    ]
    reaches, peaks, *_ = FlowPart(study_of("gru", "rnn"), FlowResult(passages)).findings()
    assert reaches.startswith("Untrained")
    assert "through 2 s: gru all and rnn 0.76 s" in reaches
    assert "gru to 1.1e+02 times" in peaks
    assert "rnn" not in peaks


def test_the_mean_decides_and_the_spread_is_shown() -> None:
    part = memory_part({"gru": [[0.9, 0.5], [0.96, 0.9]]})
    assert part.verdicts("gru") == ["knows", "is unsure"]
    assert part.table()[1] == ["gru", "1", "93.0 % (90–96)", "70.0 % (50–90)"]


def test_few_recordings_prove_little() -> None:
    assert verdict(0.77, 300) == "knows"
    assert verdict(0.77, 12) == "guesses"
    assert chance_limit(100) == pytest.approx(0.598)


def test_no_two_cells_look_the_same() -> None:
    styles = styles_of([*CELLS, *"abcdefgh"]).values()
    assert len({(style["color"], style["marker"]) for style in styles}) == len(CELLS) + 8
    assert len({(style["color"], style["linestyle"]) for style in list(styles)[:16]}) == 16


# --- the command ---------------------------------------------------------------------------------------------------

QUICK = ("--seconds", "1,2", "--seeds", 1, "--steps", 2)


@pytest.mark.usefixtures("forget_plugins")
def test_the_command(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ("--data", demo, "--out", out, *QUICK, "--cells", "lstm,mgu", "--plugin", EXAMPLE)
    status, text, _ = call(capsys, "gradients", *flags)
    assert status == 0
    assert text.splitlines()[-1] == f"page {out / 'gradients.html'}"
    assert re.search(r"^lstm +9,490 +\d+\.\d % \(\d+–\d+\)", text, re.MULTILINE)
    page = (out / "gradients.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "://" not in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert sorted(path.name for path in out.iterdir()) == [
        *("flow.png", "flow.svg", "gradients.html", "gradients.json", "matrix.png", "matrix.svg"),
        *("memory.png", "memory.svg", "scalar.png", "scalar.svg"),
    ]
    numbers = json.loads((out / "gradients.json").read_text(encoding="utf-8"))
    assert numbers["settings"]["network"]["forget_bias"] == 1
    assert len(numbers["passages"]) == 2 * 2 * 2
    assert [len(one["stages"]) for one in numbers["trials"]] == [2, 2]
    assert all(stage["of"] == 400 for one in numbers["trials"] for stage in one["stages"])


def test_one_part_with_cells_of_other_layers(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    cells = ("grid-tf", "ligru", "depth-gated")
    flags = ("--cells", ",".join(cells), "--part", "flow", "--seconds", 1, "--steps", 1)
    status, out, _ = call(capsys, "gradients", "--data", demo, "--out", tmp_path, *flags)
    assert status == 0
    assert set(cells) <= {line.split(" ")[0] for line in out.splitlines()}
    assert {path.name for path in tmp_path.iterdir()} == {"flow.png", "flow.svg", "gradients.html", "gradients.json"}
    assert (tmp_path / "gradients.html").read_text(encoding="utf-8").count("<h2>") == 1
    numbers = json.loads((tmp_path / "gradients.json").read_text(encoding="utf-8"))
    assert len(numbers["passages"]) == len(cells) * 2
    assert not any(numbers[name] for name in ("powers", "kept", "spectra", "descents", "trials"))


def test_every_cell_has_a_small_network() -> None:
    for name in CELLS:
        assert small_network(name, seed=1).stack.layers[0].cell.config == network_config(name)


@pytest.mark.parametrize(
    ("flags", "fact"),
    [
        (("--cells", "lstn"), "unknown cell 'lstn'; did you mean 'lstm'?"),
        (("--cells", ","), "argument --cells: ',' names nothing"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--words", "yes"), "words is 'yes'; give two, such as yes,no"),
        (("--words", "yes,no,up"), "words is 'yes,no,up'; give two, such as yes,no"),
        (("--words", "yes,maybe"), "has no recordings of maybe; it has "),
        (("--seconds", "1,x"), "argument --seconds: 'x' is not a positive whole number"),
        (("--seconds", "61"), "61 s is too long; give at most 60 s"),
        (("--part", "all"), "argument --part: invalid choice: 'all'"),
        (("--plugin", "nowhere.py"), "plugin nowhere.py: there is no such file"),
    ],
)
def test_refusals(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path, flags: tuple[str, str], fact: str
) -> None:
    status, out, err = call(capsys, "gradients", "--data", demo, "--out", tmp_path / "out", *QUICK, *flags)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert fact in err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written_to_is_refused_first(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    line = refusal(capsys, "gradients", "--data", demo, "--out", tmp_path / "file" / "out")
    assert "cannot be written" in line
