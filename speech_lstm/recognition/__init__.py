"""Recognition without torch: a recording becomes predictions, a stream becomes commands.

Read `recognizer` first, then `detector`.
"""
