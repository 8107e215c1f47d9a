"""The speed of each cell in training and recognition, relative to torch.nn.LSTM, a naive loop and torchrecurrent.

    python scripts/bench_cells.py [--cells lstm,peephole] [--rounds 7] [--threads 1] [--batch 64] [--frames 98]

All run in turn, so that other work on the machine affects them alike; the fastest of the rounds counts. With one
thread the time is the thread's CPU time, otherwise that of the clock. The last column needs the package
torchrecurrent (`pip install torchrecurrent`) and is empty without it. On a GPU, `--device cuda`, this project's cells
replay their passes, as training does; "launched" is the same without replaying.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.progress import Bar
from speech_lstm.recurrent.cell import CELLS, Frame, LayerLike, State, Track, Weights, register
from speech_lstm.recurrent.cells.lstm import LSTM
from speech_lstm.recurrent.cells.lstm_layer import LSTMLayer
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training import replay
from speech_lstm.training.hardware import choose_device, keep_freed_memory

Run = Callable[[], Tensor]
LSTM_PEER = "OriginalLSTM"  # without a forget gate: a quarter less work than ours; the package has none with one
PEERS = {"lstm": LSTM_PEER, "lstm-by-hand": LSTM_PEER, "peephole": "PeepholeLSTM"}
PEERS |= {"mut1": "MUT1", "mut2": "MUT2", "mut3": "MUT3"}


@register
class ByHand(LSTM):
    """The LSTM without torch's fused kernel: the layer that the peephole LSTM has, but for the peepholes."""

    name = "lstm-by-hand"
    title = "LSTM by hand"

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State]:
        weights = layer.input, layer.bias, layer.get_parameter("recurrent"), None
        hidden, h, c = LSTMLayer.apply(track.hidden, *weights, *state, layer.product_dtype)
        return Track(hidden), (h, c)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS), help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frames", type=int, default=98)
    parser.add_argument("--inputs", type=int, default=40)
    parser.add_argument("--hidden", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    if device.type == "cuda":
        clock = gpu_clock
    keep_freed_memory()
    names = options.cells.split(",")
    torch.set_default_device(device)
    x = torch.randn(options.batch, options.frames, options.inputs)
    print(f"{options.batch} × {options.frames} frames of {options.inputs}, hidden {options.hidden}, ", end="")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{options.threads} thread(s)"
    print(f"float32, {where}, torch {torch.__version__}\n")
    against_torch(names, x, options.hidden, options.rounds, clock)
    against_naive(names, x, options.hidden, options.rounds, clock)


def against_torch(names: list[str], x: Tensor, hidden: int, rounds: int, clock: Callable[[], float]) -> None:
    """Two layers in both directions: forward and backward of the batch, and forward of one recording."""
    torch_lstm = Hidden(torch.nn.LSTM(x.shape[-1], hidden, 2, batch_first=True, bidirectional=True))
    networks = {name: Hidden(stack(name, x.shape[-1], hidden, layers=2)) for name in names}
    launched = {"torch.nn.LSTM": torch_lstm} | networks
    trained = {"torch.nn.LSTM": torch_lstm} | {name: as_trained(network, x) for name, network in networks.items()}
    one = x[:1].contiguous()
    columns = {
        "forward+backward": timed({name: training_step(run, x) for name, run in trained.items()}, rounds, clock),
        "forward of one": timed(
            {name: partial(answer, run, one) for name, run in launched.items()}, 3 * rounds, clock
        ),
    }
    if x.device.type == "cuda":
        columns["launched"] = timed({name: training_step(run, x) for name, run in launched.items()}, rounds, clock)
    print(f"{'two layers, both directions':28}" + "".join(f"{title:>23}" for title in columns))
    for name in launched:
        cells = [f"{1e3 * t[name]:10.1f} ms {t[name] / t['torch.nn.LSTM']:6.2f} ×" for t in columns.values()]
        print(f"{name:28}" + "".join(f"{cell:>23}" for cell in cells))
    training = columns["forward+backward"]
    if {"clockwork", "rnn"} <= networks.keys():
        print(f"clockwork over rnn, forward+backward: {training['clockwork'] / training['rnn']:.2f} ×")


def against_naive(names: list[str], x: Tensor, hidden: int, rounds: int, clock: Callable[[], float]) -> None:
    """Two layers in both directions, forward and backward: the naive loop and the peer over ours.

    The peer has no bidirectional form: another of its layers reads the frames from the last to the first.
    """
    peers = importlib.import_module("torchrecurrent") if importlib.util.find_spec("torchrecurrent") else None
    runs: dict[str, Run] = {}
    for name in names:
        ours = stack(name, x.shape[-1], hidden, layers=2)
        runs[name] = training_step(as_trained(Hidden(ours), x), x)
        runs[f"{name} naive"] = training_step(naive(ours, x.shape[-1]), x)
        if peers and name in PEERS:
            kind = getattr(peers, PEERS[name])
            others = [peer(kind, inputs, hidden, x.device) for inputs in (x.shape[-1], 2 * hidden)]
            runs[f"{name} peer"] = training_step(partial(in_turn, others), x)
    times = timed(runs, max(2, rounds // 2), clock)
    print(f"\n{'forward+backward':16} {'ours':>12} {'naive loop':>21} {'torchrecurrent':>21}")
    for name in (name for name in names if name in times):
        cells = [f"{1e3 * times[name]:8.1f} ms"]
        for kind in ("naive", "peer"):
            other = times.get(f"{name} {kind}")
            cells.append(f"{1e3 * other:8.1f} ms {other / times[name]:6.2f} ×" if other else "")
        print(f"{name:16} {cells[0]:>12} {cells[1]:>21} {cells[2]:>21}")


class Hidden(torch.nn.Module):
    """A module that returns only its hidden states, without the last state."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)[0]


def as_trained(network: Hidden, x: Tensor) -> Hidden:
    """The network as the trainer runs it on the device of x: on a GPU a copy whose passes are replayed."""
    if x.device.type == "cuda":
        network = copy.deepcopy(network)
        if not replay.record(network, x, x.dtype):
            print(f"{network.module.config.cell} is launched: its passes cannot be replayed")
    return network


def answer(run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return run(x)


def in_turn(layers: list[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def naive(ours: Stack, inputs: int) -> Callable[[Tensor], Tensor]:
    """The stack's equations frame by frame and direction by direction: each frame is projected when its turn
    comes, and the recurrent products are autograd's."""
    layers: list[list[Layer]] = []
    for layer in ours.layers:
        assert isinstance(layer, Layer)
        size, config = layer.size // layer.directions, replace(layer.cell.config, bidirectional=False)
        layers.append([Layer(type(layer.cell)(size, config, layer.cell.below), inputs) for _ in range(2)])
        inputs = layer.size

    def run(x: Tensor) -> Tensor:
        memories: list[list[Tensor | None]] = [[None] * x.shape[1]] * 2
        for pair in layers:
            (forward, up), (backward, down) = (
                steps(part, x.flip(1) if d else x, memories[d]) for d, part in enumerate(pair)
            )
            x, memories = torch.cat([forward, backward.flip(1)], -1), [up, down]
        return x

    return run


def steps(layer: Layer, x: Tensor, below: list[Tensor | None]) -> tuple[Tensor, list[Tensor | None]]:
    """One direction of the naive loop: its hidden states, and the memories that it hands up."""
    cell = layer.cell
    matrices = {name: cell.constrain(name, layer.get_parameter(name)) for name in layer.weights().product}
    products = {name: partial(plain, matrix) for name, matrix in matrices.items()}
    weights = Weights(dict(products), layer.weights().vector)
    state, hidden = cell.start(len(x), 1, x), []
    memories: list[Tensor | None] = []
    for t, under in enumerate(below):
        frame = layer.project(x[:, t][None, None], None)[:, 0]
        state = cell.step(Frame(frame, under, t), state, weights)
        hidden.append(state[0][0])
        memories.append(state[cell.state.index(cell.hands_up)] if cell.hands_up else None)
    return torch.stack(hidden, 1), memories


def plain(matrix: Tensor, x: Tensor, h: Tensor) -> Tensor:
    return x + h @ matrix.transpose(1, 2)


def peer(kind: type[torch.nn.Module], inputs: int, hidden: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    forward, backward = (kind(inputs, hidden, batch_first=True).to(device) for _ in range(2))
    return lambda x: torch.cat([forward(x)[0], backward(x.flip(1))[0].flip(1)], -1)


def stack(name: str, inputs: int, hidden: int, layers: int, bidirectional: bool = True) -> Stack:
    config = NetworkConfig(cell=name, hidden=hidden, layers=layers, bidirectional=bidirectional, dropout=0.0)
    return Stack(inputs, config)


def training_step(run: Callable[[Tensor], Tensor], x: Tensor) -> Run:
    def step() -> Tensor:
        out = run(x)
        out.backward(torch.ones_like(out))
        return out

    return step


def gpu_clock() -> float:
    """Seconds, after the GPU has finished its work."""
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(runs: dict[str, Run], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each, the fastest of the rounds, in which they take turns."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in Bar(range(rounds), desc="rounds", leave=False):
        for name, run in runs.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


if __name__ == "__main__":
    main()
