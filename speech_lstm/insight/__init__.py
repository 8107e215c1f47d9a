"""What a network does with a recording, as arrays, figures and a page; and the study of gradients through time.

Read `inside` first: it records every gate, memory and output; `summary`, the figures and the page use that. The study
begins in `gradient_study`.
"""
