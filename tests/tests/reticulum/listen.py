"""Waits for announces: listen.py CONFIG_FOLDER. Prints `online`, then `heard HASH DATA` for each."""

import sys

import station


class Handler:
    """What Reticulum calls for each announce."""

    aspect_filter = "cairn.test"

    def received_announce(self, destination_hash, announced_identity, app_data):
        station.say("heard " + destination_hash.hex() + " " + (app_data or b"").decode())


reticulum = station.start(sys.argv[1])
station.RNS.Transport.register_announce_handler(Handler())
station.say("online")
sys.stdin.read()
