"""Waits for announces: listen.py CONFIG_FOLDER.

Prints `online`, and `heard HASH WORD` for each announce, until standard input is closed.
"""

import sys

import station


class Handler:
    """What is called for each announce."""

    aspect_filter = ".".join(station.NAME)

    def received_announce(self, destination_hash, announced_identity, app_data):
        station.say("heard " + destination_hash.hex() + " " + (app_data or b"").decode())


station.start(sys.argv[1])
station.RNS.Transport.register_announce_handler(Handler())
station.say("online")
sys.stdin.read()
