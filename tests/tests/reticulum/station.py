"""Starts Reticulum and waits until its RNode is online."""

import sys
import time

import RNS

# What is announced, as a destination's parts.
NAME = ("cairn", "test")

# The handshake takes some 3 s.
ONLINE_S_MAX = 40


def say(line):
    """Prints a line for the test at once."""
    print(line, flush=True)


def start(folder):
    """Starts with this folder's configuration; leaves when no interface comes online."""
    RNS.Reticulum(configdir=folder)
    deadline = time.monotonic() + ONLINE_S_MAX
    while not any(getattr(found, "online", False) for found in RNS.Transport.interfaces):
        if time.monotonic() > deadline:
            say("offline")
            sys.exit(1)
        time.sleep(0.05)
