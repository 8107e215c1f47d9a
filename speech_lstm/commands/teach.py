"""Teach a model your own words from a few recordings.

Words that are named are recorded, as far as takes of them are missing; --from DIR takes one folder of recordings for
each word. The network stays as it is and gets a new head, which tells the words from other words, speech and noise.
It takes seconds, and no PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import add_input_flags, add_model_flag, names, positive, whole
from speech_lstm.errors import ConfigError, printable

if TYPE_CHECKING:
    from speech_lstm.recognition.onnx_model import OnnxModel
    from speech_lstm.teaching.gain import Gain
    from speech_lstm.teaching.takes import Takes
    from speech_lstm.teaching.teacher import Teacher

OUT, OWN = Path("own.onnx"), Path("own")
EXAMPLE = "teach --from own --out own.onnx"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="words to record, as far as takes are missing")
    parser.add_argument(
        "--from", dest="folder", type=Path, metavar="DIR", help="the takes, one folder for each word (own)"
    )
    parser.add_argument("--each", type=whole, default=5, metavar="N", help="takes to record of a word (%(default)s)")
    parser.add_argument("--speaker", default="me", metavar="NAME", help="who records; files hold a hash of it (me)")
    add_model_flag(parser)
    parser.add_argument(
        "--keep", type=names, default=(), metavar="A,B,…|all", help="commands of the bundled model that stay (none)"
    )
    parser.add_argument(
        "--add", type=names, default=(), metavar="A,B,…", help="add only these words of the folder to a taught MODEL"
    )
    parser.add_argument(
        "--say", type=names, default=(), metavar="A,B,…", help="add takes of these words that espeak-ng speaks"
    )
    parser.add_argument(
        "--language",
        type=names,
        metavar="A,B,…",
        help="with --say: languages of espeak-ng, whose voices take turns (en-us,en-gb)",
    )
    parser.add_argument("--remove", type=names, default=(), metavar="A,B,…", help="words that a taught MODEL forgets")
    parser.add_argument(
        "--also",
        type=Path,
        metavar="DIR",
        help="further recordings: folders named like the words, and _unknown_ and _silence_ with what is no command",
    )
    parser.add_argument(
        "--room", type=Path, metavar="FILE", help="a recording of your room without commands, to choose thresholds on"
    )
    parser.add_argument(
        "--false-accepts-per-hour",
        type=positive,
        default=0.5,
        metavar="RATE",
        help="highest rate in speech, of all words together (%(default)s)",
    )
    parser.add_argument(
        "--finetune",
        type=Path,
        metavar="DIR",
        help="train the network itself as well, besides other words in a folder for each: minutes, and needs PyTorch",
    )
    parser.add_argument("--bank", type=Path, metavar="FILE", help="the bank of a model that is not bundled")
    parser.add_argument("--out", type=Path, metavar="FILE.onnx", help=f"the taught model ({OUT}, if it is new)")
    add_input_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.errors import print_note
    from speech_lstm.recognition.recognizer import one_thread
    from speech_lstm.teaching.bank import Bank
    from speech_lstm.teaching.report import gain_table, remarks, room_line, words_table
    from speech_lstm.teaching.teacher import Teacher

    one_thread()
    if arguments.finetune:
        check_finetune(arguments)
    teacher = Teacher(open_model(arguments.model), Bank.load(arguments.bank) if arguments.bank else None)
    out = place_of(arguments, teacher)
    record_missing(arguments)
    takes, gain = hear(arguments, teacher)
    taught = teacher.teach(arguments.false_accepts_per_hour)
    tuned, room = "", None
    if arguments.finetune:
        tuned = finetune(arguments, takes, out)
    else:
        room = teacher.write(out, taught, arguments.false_accepts_per_hour, arguments.room)
    print(words_table(taught))
    if tuned:
        print(f"\n{tuned}")
    if gain:
        print(f"\n{gain_table(gain)}")
    if room:
        print(room_line(room))
    for remark in (*takes.remarks, *remarks(taught, takes)):
        print_note(remark)
    print(f"\n{printable(out)} is written; try it: speech-lstm listen --model {printable(out)}")
    if arguments.words and not arguments.input and sys.stdin.isatty():
        try_out(arguments, out)
    return 0


def check_finetune(arguments: argparse.Namespace) -> None:
    """Raise ConfigError for what --finetune cannot do, and MissingPackageError without PyTorch."""
    from speech_lstm.errors import require

    others = ("say", "keep", "add", "remove", "also", "room")
    if named := [f"--{name}" for name in others if getattr(arguments, name)]:
        raise ConfigError(f"--finetune trains on the takes of --from alone; leave out {', '.join(named)}")
    start_of(arguments.model)
    require("onnx")  # its extra includes torch


def start_of(model: str) -> Path:
    """The network in PyTorch's form that --finetune starts from; raises ConfigError if there is none."""
    from speech_lstm.model.bundled import find_model

    file = find_model(model, ".safetensors").with_suffix(".safetensors")
    if not file.is_file():
        raise ConfigError(f"{printable(file)}: no such file, which --finetune starts from; name a bundled model")
    return file


def finetune(arguments: argparse.Namespace, takes: Takes, out: Path) -> str:
    """Train the network on the takes, and write it as ONNX to `out` and beside it in PyTorch's form; what it says."""
    import tempfile

    from speech_lstm.export.model import recording_model
    from speech_lstm.files import atomic_path
    from speech_lstm.model.checkpoint import save_model
    from speech_lstm.training.fine_tuning import TAKEN, fine_tune

    clips = {word: [take.clip for take in each] for word, each in takes.words.items()}
    with tempfile.TemporaryDirectory() as folder:
        tuned = fine_tune(start_of(arguments.model), clips, arguments.finetune, Path(folder))
    with atomic_path(out) as temporary, atomic_path(out.with_suffix(".safetensors")) as other:
        temporary.write_bytes(recording_model(tuned.model))
        save_model(other, tuned.model)
    levels = ", ".join(f"{printable(word)} {level:.3g}" for word, level in tuned.model.detection.thresholds.items())
    return (
        "The table is of a head alone. The network itself was trained too: it recognises "
        f"{100 * tuned.accuracy:.0f} % of the takes and silences\nthat were left out. Thresholds that "
        f"{100 * TAKEN:g} % of {tuned.others:,} recordings of other words exceed: {levels}.\n"
        "Try it with other words than those: it may take more of them for a command than the head alone."
    )


def open_model(name: str) -> OnnxModel:
    """The exported form of a model; raises ConfigError for one that has none."""
    from speech_lstm.model.bundled import find_model
    from speech_lstm.recognition.onnx_model import OnnxModel

    file = find_model(name, ".onnx")
    if file.suffix != ".onnx":
        raise ConfigError(
            f"{printable(file)}: only an exported model can be taught; make one with `speech-lstm export FILE`"
        )
    return OnnxModel(file)


def place_of(arguments: argparse.Namespace, teacher: Teacher) -> Path:
    """The file that the taught model is written to; raises ConfigError for one that nobody asked to replace."""
    was_taught = bool(teacher.memory.words or teacher.memory.kept)
    changes = bool(arguments.add or arguments.remove or (arguments.also and nothing_new(arguments)))
    if changes and not was_taught:
        raise ConfigError(
            f"{printable(arguments.model)} was not taught; --add, --remove and --also alone change a model that was: "
            "name that with --model, or takes with --from"
        )
    changes |= was_taught and nothing_new(arguments)
    if arguments.out:
        if arguments.out.suffix != ".onnx":
            raise ConfigError(f"{printable(arguments.out)}: the name of a taught model must end in .onnx")
        return arguments.out
    if changes:
        return teacher.model.path
    if OUT.exists():
        raise ConfigError(f"{OUT} exists; name another file with --out, or change it by --add WORD --model {OUT}")
    return OUT


def nothing_new(arguments: argparse.Namespace) -> bool:
    """Whether no new takes are asked for, but another change of the words or their thresholds."""
    others = (arguments.say, arguments.remove, arguments.also, arguments.keep, arguments.room)
    return any(others) and not (arguments.words or arguments.folder or arguments.add)


def hear(arguments: argparse.Namespace, teacher: Teacher) -> tuple[Takes, Gain | None]:
    """Give the teacher the takes of the words, and take the others away; those takes, and what --also gains."""
    from speech_lstm.teaching.takes import Takes, read_further, read_takes

    teacher.forget(arguments.remove)
    wanted = arguments.add or arguments.words
    takes = Takes() if nothing_new(arguments) else read_takes(arguments.folder or OWN, wanted)
    for word, each in takes.words.items():
        teacher.learn(word, [take.clip for take in each])
    say(arguments, teacher)
    if arguments.keep:
        teacher.keep(arguments.keep)
    if not arguments.also:
        return takes, None
    further, others = read_further(arguments.also, (*teacher.memory.words, *teacher.memory.kept))
    takes.remarks += further.remarks
    clips = {word: [take.clip for take in each] for word, each in further.words.items()}
    return takes, teacher.hear_kept(clips, [take.clip for take in others], arguments.false_accepts_per_hour)


def say(arguments: argparse.Namespace, teacher: Teacher) -> None:
    """Give the teacher takes that espeak-ng speaks."""
    from speech_lstm.errors import print_note
    from speech_lstm.teaching.saying import LANGUAGES, spoken_takes
    from speech_lstm.teaching.takes import check_taught

    if arguments.language and not arguments.say:
        raise ConfigError("--language is that of the words that are spoken; name them with --say")
    for word in arguments.say:
        check_taught(word)
        clips = spoken_takes(word, arguments.language or LANGUAGES)
        if word in teacher.memory.words:
            teacher.hear_more(word, clips)
        else:
            teacher.learn(word, clips)
            print_note(
                f"{printable(word)} is learnt from synthetic speech alone: those are its recognised takes, and few "
                "of real voices are recognised (docs/teach.md); record some as soon as you can"
            )


def try_out(arguments: argparse.Namespace, out: Path) -> None:
    """Listen with the taught model, if the user wants to."""
    from speech_lstm.commands import listen

    print("Enter to try it out here, q to end: ", end="", flush=True)
    line = sys.stdin.readline()
    if line.strip().lower() == "q" or not line:
        return
    parser = argparse.ArgumentParser()
    listen.add_flags(parser)
    device = ["--device", arguments.device] if arguments.device else []
    listen.run(parser.parse_args(["--model", str(out), *device]))


def record_missing(arguments: argparse.Namespace) -> None:
    """Record the takes of the named words that are missing; raises ConfigError if one has none when the user ends."""
    from speech_lstm.commands.record import record
    from speech_lstm.teaching.takes import recordings_in

    folder = arguments.folder or OWN
    if not arguments.words or record(arguments, folder):
        return
    if without := [word for word in arguments.words if not recordings_in(folder / word)]:
        listed = ", ".join(map(printable, without))
        raise ConfigError(f"nothing is taught, as {listed} has no take yet; run the same command to continue")
