"""Listening to a live input: the loop (read listening.py first), its displays, and what a command starts.

That is a program (programs.py) or a message to an MQTT broker (mqtt.py). The sound of other machines comes through
wyoming_server.py, and wyoming_session.py answers it. Nothing here needs torch.
"""
