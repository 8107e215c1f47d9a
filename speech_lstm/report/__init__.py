"""What everything that publishes stands on: documents, figures, tables and statistics.

Read `document` first, then `plotting` and `tables`.
"""
