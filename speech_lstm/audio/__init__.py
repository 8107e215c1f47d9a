"""Sound in: recordings, microphones and pipes become mono float32 at 16 kHz, and that becomes features.

Read `recording` first, then `mfcc`, the one front end.
"""
