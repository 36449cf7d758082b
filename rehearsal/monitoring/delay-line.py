"""Holds every frame between two interfaces back for a while: `delay-line.py LEFT RIGHT FILE`.

For kernels without the queueing discipline netem. FILE holds the milliseconds in one direction and is read again when it changes.
"""
import collections
import os
import select
import socket
import sys
import time

ETH_P_ALL = 3
LONGEST_FRAME = 65536
LOOK_EVERY_SECONDS = 0.05
# A timer of a busy virtual machine may come late by this much: the last of a delay is spent looking.
TIMER_SECONDS = 0.0015


def opened(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((interface, 0))
    end.setblocking(False)
    return end


def delay_seconds(path):
    with open(path, encoding="utf8") as file:
        return float(file.read()) / 1000


def main(left, right, path):
    # Waiting for a turn on a busy machine would count as latency.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    ends = [opened(left), opened(right)]
    held = collections.deque()
    delay, looked_at = delay_seconds(path), time.monotonic()
    while True:
        now = time.monotonic()
        if now - looked_at > LOOK_EVERY_SECONDS:
            delay, looked_at = delay_seconds(path), now
        while held and held[0][0] <= now:
            _, other, frame = held.popleft()
            try:
                other.send(frame)
            except OSError:
                # An interface that is going away.
                pass
        patience = min(LOOK_EVERY_SECONDS, held[0][0] - now - TIMER_SECONDS) if held else LOOK_EVERY_SECONDS
        ready, _, _ = select.select(ends, [], [], max(0, patience))
        for end in ready:
            other = ends[1 - ends.index(end)]
            while True:
                try:
                    frame, address = end.recvfrom(LONGEST_FRAME)
                except BlockingIOError:
                    break
                if address[2] != socket.PACKET_OUTGOING:
                    held.append((time.monotonic() + delay, other, frame))


main(*sys.argv[1:4])
