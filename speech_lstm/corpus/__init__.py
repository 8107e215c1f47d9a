"""Data sets of recordings: download, splits, tasks, the cache of clips, and what is trained on and scored.

Read `speech_commands` and `task` first, then `recordings`.
"""
