"""Starts Reticulum and waits until its RNode is online."""

import sys
import time

import RNS

# The handshake takes some 3 s.
ONLINE_S_MAX = 30


def say(line):
    print(line, flush=True)


def start(folder):
    reticulum = RNS.Reticulum(configdir=folder)
    deadline = time.monotonic() + ONLINE_S_MAX
    while not any(getattr(found, "online", False) for found in RNS.Transport.interfaces):
        if time.monotonic() > deadline:
            say("offline")
            sys.exit(1)
        time.sleep(0.05)
    return reticulum
