"""`python -m speech_lstm` is the same as `speech-lstm`."""

from speech_lstm.cli import main

if __name__ == "__main__":
    main()
