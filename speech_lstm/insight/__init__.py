"""What a network does with a recording, as arrays and figures; and the study of gradients through time.

Read `inside` first: it records every gate, memory and output; `summary`, the figures and the page of `web` use that.
The study begins in `gradient_study`.
"""
