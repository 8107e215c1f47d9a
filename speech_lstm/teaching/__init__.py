"""Words of one's own: takes of them → a head on an exported model, without torch.

`teacher.py` comes first; `lesson.py` says what a head is learnt from, `bank.py` what stands for all other sound.
"""
