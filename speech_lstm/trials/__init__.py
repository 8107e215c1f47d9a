"""Many trainings that any number of workers share through a storage: the base of study and search.

Read `definition` first, then `slots` and `worker`.
"""

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would print every step on standard error
