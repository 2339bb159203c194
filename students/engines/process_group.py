"""The process group in which ranks add up their gradients: joined, left, and summed over."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore, Store, TCPStore

from students.engines.group import Group
from students.errors import TrainingError

_INTERFACE = "GLOO_SOCKET_IFNAME"


def join(group: Group, device: torch.device) -> None:
    """Makes this process a member of ``group``; leaves a group it was still in.

    A group of one needs no port. In a larger one rank 0 listens on ``group.address`` alone, on a
    port that must be free: that of an earlier group may be held until its learner is gone.

    Raises:
        TrainingError: the ranks did not meet within ``group.timeout_seconds``.
    """
    leave()
    timeout = timedelta(seconds=group.timeout_seconds)
    backend = "nccl" if device.type == "cuda" else "gloo"
    excepthook = sys.excepthook
    try:
        store = _store(group, timeout)
        with _loopback_for(group.address):
            dist.init_process_group(
                backend, store=store, rank=group.rank, world_size=group.ranks, timeout=timeout
            )
    except (RuntimeError, OSError) as error:
        leave()
        raise TrainingError(
            f"rank {group.rank} of {group.ranks} did not meet the others at "
            f"{group.address}:{group.port} within {group.timeout_seconds:g} s ({error}); "
            "check whether a rank ended early, or raise `timeouts.collective`",
            path="timeouts.collective",
        ) from error
    finally:
        # Torch adds a prefix to every line of a traceback, and one more for each group.
        sys.excepthook = excepthook


def leave() -> None:
    """Leaves the process group, if this process is in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def add_up(values: torch.Tensor, group: Group) -> torch.Tensor:
    """The sum of ``values`` over the ranks, in place; nothing to do in a group of one."""
    if group.ranks > 1:
        dist.all_reduce(values)
    return values


@torch.no_grad()
def average(
    tensors: Sequence[torch.Tensor], group: Group, dtype: torch.dtype | None = None
) -> None:
    """Replaces tensors by their means over the ranks, which are added up in ``dtype``."""
    if group.ranks == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).to(dtype or tensor.dtype) for tensor in tensors])
    add_up(flat, group).div_(group.ranks)
    for tensor, mean in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def _store(group: Group, timeout: timedelta) -> Store:
    if group.ranks == 1:
        return HashStore()
    if group.rank > 0:
        return TCPStore(group.address, group.port, group.ranks, False, timeout)
    # Without a listener of ours the store would listen on every interface of the machine.
    family = socket.AF_INET6 if ":" in group.address else socket.AF_INET
    listener = socket.create_server((group.address, group.port), family=family)
    return TCPStore(
        group.address,
        group.port,
        group.ranks,
        True,
        timeout,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )


def _loopback_for(address: str) -> AbstractContextManager[None]:
    """Keeps gloo's own sockets on loopback where the ranks meet on loopback.

    Gloo reads the interface from the environment alone, when a group is made; what the user
    has set there is kept.
    """
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if address in ("127.0.0.1", "::1", "localhost") and loopback and _INTERFACE not in os.environ:
        return environment_variable(_INTERFACE, loopback[0])
    return nullcontext()


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Sets a variable of this process's environment inside the context."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
