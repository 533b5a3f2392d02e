"""Announces a destination: announce.py CONFIG_FOLDER. Prints `online`, the announced hash, and then `done` after its input closes."""

import sys

import station

reticulum = station.start(sys.argv[1])
identity = station.RNS.Identity()
destination = station.RNS.Destination(
    identity, station.RNS.Destination.IN, station.RNS.Destination.SINGLE, "cairn", "test"
)
station.say("online")
# The other side must be there first: whoever runs this says when.
for line in sys.stdin:
    destination.announce(app_data=line.strip().encode())
    station.say("announced " + destination.hash.hex())
