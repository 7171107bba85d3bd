"""What must be right before anything starts; each thing that is not is one sentence that says what to do."""

import os
import shutil
import socket
from pathlib import Path

from chassis import embedded
from deploy.local.plan import HOST, PORT_BASE_MAX, Plan

FREE_BYTES_MIN = 500 * 2**20
PORT_BASE_MIN = 1024


class NotReady(Exception):
    """The house cannot start; the text has one sentence for each reason."""


def check_port_base(port_base: int) -> None:
    if not PORT_BASE_MIN <= port_base <= PORT_BASE_MAX:
        msg = f"--port-base {port_base} leaves no room: choose one from {PORT_BASE_MIN} to {PORT_BASE_MAX}"
        raise NotReady(msg)


def check_folder(folder: Path) -> None:
    """Makes the folder and sees that it can be written and has room."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made ({error.strerror}): choose another with --var"
        raise NotReady(msg) from error
    if not os.access(folder, os.W_OK):
        msg = f"{folder} cannot be written: choose another with --var"
        raise NotReady(msg)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        msg = f"{folder} has {free / 2**20:.0f} MB free, {FREE_BYTES_MIN / 2**20:.0f} MB are needed: make room there"
        raise NotReady(msg)


def check_ports(plan: Plan) -> None:
    """Every port must be free: a second listener would otherwise be met by surprise."""
    busy = [
        f"port {port} ({process.name}) is taken: stop what listens there, or choose others with --port-base"
        for process in plan.processes
        for port in process.ports.values()
        if is_taken(port)
    ]
    if busy:
        raise NotReady("\n".join(busy))


def is_taken(port: int) -> bool:
    """Whether it cannot be bound; connections that linger from an earlier listener do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return embedded.is_listening(port)
