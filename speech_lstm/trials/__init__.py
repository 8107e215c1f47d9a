"""Many trainings, drawn, queued, run by any number of workers and stored: what study and search stand on.

Read `storage` first, then `slots` and `worker`.
"""

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would report every step of its own on standard error
