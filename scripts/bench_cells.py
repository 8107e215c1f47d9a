"""How fast each cell trains and answers, as ratios to torch.nn.LSTM, to a naive loop and to torchrecurrent.

    python scripts/bench_cells.py [--cells lstm,peephole] [--rounds 7] [--threads 1] [--batch 64] [--frames 98]

Everything takes turns, so that whatever else the machine does hits all alike; the fastest of the rounds counts.
The time is that of this thread on the processor with one thread, otherwise that of the clock. The last table
needs the package torchrecurrent (`pip install torchrecurrent`) and is left out without it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable

import torch
from torch import Tensor
from tqdm import tqdm

from speech_lstm.config import NetworkConfig
from speech_lstm.recurrent.cell import CELLS, Frame, State, Weights, register
from speech_lstm.recurrent.cells.lstm import LSTM
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.allocator import keep_freed_memory

Run = Callable[[], Tensor]
PEERS = {"lstm": "OriginalLSTM", "peephole": "PeepholeLSTM", "mut1": "MUT1", "mut2": "MUT2", "mut3": "MUT3"}


@register
class ByHand(LSTM):
    """The LSTM without torch's fused kernel: what a cell without such a kernel can reach."""

    name = "lstm-by-hand"
    title = "LSTM in the engine's loop"

    def kernel(self, layer: Layer, x: Tensor, state: State) -> None:  # type: ignore[override]
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS), help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frames", type=int, default=98)
    parser.add_argument("--inputs", type=int, default=40)
    parser.add_argument("--hidden", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    keep_freed_memory()
    names = options.cells.split(",")
    x = torch.randn(options.batch, options.frames, options.inputs)
    print(f"{options.batch} × {options.frames} frames of {options.inputs}, hidden {options.hidden}, ", end="")
    print(f"float32, {options.threads} thread(s), torch {torch.__version__}\n")
    against_torch(names, x, options.hidden, options.rounds, clock)
    against_naive(names, x, options.hidden, options.rounds, clock)


def against_torch(names: list[str], x: Tensor, hidden: int, rounds: int, clock: Callable[[], float]) -> None:
    """Two layers in both directions: forward and backward of the batch, and forward of one recording."""
    torch_lstm = torch.nn.LSTM(x.shape[-1], hidden, 2, batch_first=True, bidirectional=True)
    stacks = {name: stack(name, x.shape[-1], hidden, layers=2) for name in names}
    one = x[:1].contiguous()

    def answering(run: Callable[[Tensor], Tensor]) -> Run:
        def answer() -> Tensor:
            with torch.no_grad():
                return run(one)

        return answer

    plain = {"torch.nn.LSTM": lambda clip: torch_lstm(clip)[0]}
    networks = plain | {name: (lambda clip, s=stack: s(clip)[0]) for name, stack in stacks.items()}
    training = timed({name: training_step(run, x) for name, run in networks.items()}, rounds, clock)
    latency = timed({name: answering(run) for name, run in networks.items()}, 3 * rounds, clock)
    print(f"{'two layers, both directions':30} {'forward+backward':>22} {'forward of one':>20}")
    for name in networks:
        rows = [f"{1e3 * t[name]:8.1f} ms {t[name] / t['torch.nn.LSTM']:6.2f} ×" for t in (training, latency)]
        print(f"{name:30} {rows[0]:>22} {rows[1]:>20}")


def against_naive(names: list[str], x: Tensor, hidden: int, rounds: int, clock: Callable[[], float]) -> None:
    """One layer in one direction, forward and backward: the naive loop and the peer over ours."""
    peers = importlib.import_module("torchrecurrent") if importlib.util.find_spec("torchrecurrent") else None
    runs: dict[str, Run] = {}
    for name in names:
        ours = stack(name, x.shape[-1], hidden, layers=1, bidirectional=False)
        if type(ours.layers[0]) is not Layer:
            continue  # it is no plain loop over the frames
        runs[name] = training_step(lambda clip, s=ours: s(clip)[0], x)
        runs[f"{name} naive"] = training_step(lambda clip, s=ours: naive(s.layers[0], clip), x)
        if peers and name in PEERS:
            peer = getattr(peers, PEERS[name])(x.shape[-1], hidden, batch_first=True)
            runs[f"{name} peer"] = training_step(lambda clip, p=peer: p(clip)[0], x)
    times = timed(runs, max(2, rounds // 2), clock)
    print(f"\n{'one layer, one direction':30} {'ours':>12} {'naive loop':>18} {'torchrecurrent':>18}")
    for name in (name for name in names if name in times):
        cells = [f"{1e3 * times[name]:8.1f} ms"]
        for kind in ("naive", "peer"):
            other = times.get(f"{name} {kind}")
            cells.append(f"{1e3 * other:8.1f} ms {other / times[name]:4.1f} ×" if other else "")
        print(f"{name:30} {cells[0]:>12} {cells[1]:>18} {cells[2]:>18}")


def stack(name: str, inputs: int, hidden: int, layers: int, bidirectional: bool = True) -> Stack:
    config = NetworkConfig(cell=name, hidden=hidden, layers=layers, bidirectional=bidirectional, dropout=0.0)
    return Stack(inputs, config)


def training_step(run: Callable[[Tensor], Tensor], x: Tensor) -> Run:
    def step() -> Tensor:
        out = run(x)
        out.backward(torch.ones_like(out))
        return out

    return step


def naive(layer: Layer, x: Tensor) -> Tensor:
    """The cell's equations frame by frame: each frame projected when its turn comes, each product in autograd."""
    state, hidden = layer.cell.start(x.shape[0], 1, x), []
    whole = layer.weights()
    products = {name: plain(layer.cell.constrain(name, layer.get_parameter(name))) for name in whole.product}
    for t in range(x.shape[1]):
        frame = layer.project(x[None, :, t : t + 1].transpose(1, 2), None)[:, 0]
        state = layer.cell.step(Frame(frame, None, t), state, Weights(products, whole.vector))
        hidden.append(state[0])
    return torch.stack(hidden)


def plain(matrix: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, h: x + h @ matrix.transpose(1, 2)


def timed(runs: dict[str, Run], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each, the fastest of the rounds, in which they take turns."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in tqdm(range(rounds), desc="rounds", leave=False, delay=2):
        for name, run in runs.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


if __name__ == "__main__":
    main()
