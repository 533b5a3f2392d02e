"""Announces a destination: announce.py CONFIG_FOLDER.

Prints `online`, and for each line on standard input sends an announce with that line in it and prints `announced HASH`.
"""

import sys

import station

station.start(sys.argv[1])
destination = station.RNS.Destination(
    station.RNS.Identity(),
    station.RNS.Destination.IN,
    station.RNS.Destination.SINGLE,
    *station.NAME,
)
station.say("online")
for line in sys.stdin:
    destination.announce(app_data=line.strip().encode())
    station.say("announced " + destination.hash.hex())
