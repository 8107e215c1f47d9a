"""Studies: many trainings of many cells, drawn, run, kept and compared."""

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would tell every step of its own on standard error
