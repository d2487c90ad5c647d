"""A child process that answers requests and is killed when it does not: JSON in, JSON out.

The child's protocol is its standard input and output as it was started with; what it prints goes elsewhere, see `Pipe`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Seconds between two looks at whether a silent child is still there: a process that it forked may hold its pipe open.
_LOOK = 0.1
#: Seconds that a killed child is waited for; one that is stuck in a driver dies when the driver lets go.
_DEATH = 3.0
#: Seconds that a child may take to end after its parent closed the pipe.
_ORDERLY = 10.0
#: Bytes of what a child printed that are kept for a person: its end.
_TAIL = 16_384


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended.

    Attributes:
        returncode: as `subprocess` gives it, negative for a signal; None where it says nothing.
        text: the end of what it wrote on its standard output and error since the last request.
        timed_out: whether it was killed because it did not answer in time.
    """

    returncode: int | None
    text: str
    timed_out: bool = False


class ChildEnded(Exception):  # noqa: N818 - what ended it is for the caller to judge
    """The child ended without an answer.

    Attributes:
        end: how.
    """

    def __init__(self, end: End) -> None:
        super().__init__(f"exit code {end.returncode}")
        self.end = end


class Child:
    """A child process in a process group of its own.

    Args:
        command: what to run.
        environ: its environment; this process's own by default.
        descriptors: file descriptors that it inherits besides the standard ones.
    """

    def __init__(
        self, command: Sequence[str], *, environ: Mapping[str, str] | None = None, descriptors: Sequence[int] = ()
    ) -> None:
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = subprocess.Popen(  # noqa: S603 - the command is the package's own
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env=None if environ is None else dict(environ),
            pass_fds=tuple(descriptors),
            start_new_session=True,
        )
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(
        self,
        request: Mapping[str, Any],
        seconds: float,
        help: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,  # noqa: A002
    ) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Args:
            request: what JSON can carry.
            seconds: how long the answer may take, after which the child is killed.
            help: answers what the child itself asks meanwhile, each a dict with the key "ask".

        Raises:
            ChildEnded: it ended, or had to be killed.
        """
        deadline = time.monotonic() + seconds
        self._printed.truncate(0)
        self._send(request)
        while True:
            answer = self._next(deadline)
            if help is None or "ask" not in answer:
                return answer
            self._send(help(answer))

    def printed(self) -> str:
        """The end of what it wrote on its standard output and error since the last request."""
        size = os.fstat(self._printed.fileno()).st_size
        start = max(0, size - _TAIL)
        return os.pread(self._printed.fileno(), size - start, start).decode(errors="replace").replace("\0", "")

    def close(self) -> End:
        """Let the child end, and kill it if it does not."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(_ORDERLY)
        except subprocess.TimeoutExpired:
            return self._kill(timed_out=True)
        return self._kill()

    def kill(self) -> None:
        """End the child and whatever it started, at once."""
        self._kill()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        return self._process.stdin

    def _send(self, message: Mapping[str, Any]) -> None:
        # A child that has ended cannot be written to; that it has is seen where its answer is waited for.
        with contextlib.suppress(OSError):
            self._input.write(json.dumps(message).encode() + b"\n")
            self._input.flush()

    def _next(self, deadline: float) -> dict[str, Any]:
        while True:
            ended = self._process.poll() is not None
            try:
                answer = self._answers.get(timeout=_LOOK)
            except queue.Empty:
                if not ended and time.monotonic() < deadline:
                    continue
                raise ChildEnded(self._kill(timed_out=not ended)) from None
            if answer is None:
                raise ChildEnded(self._gone())
            return answer

    def _gone(self) -> End:
        """The end of a child that closed its side of the pipe; it says nothing of one that lives on without it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DEATH)
            return self._kill()
        return replace(self._kill(), returncode=None)

    def _listen(self) -> None:
        """Take in what the child answers, in a thread: a pipe cannot be waited for with a deadline everywhere."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as pipe, contextlib.suppress(ValueError):
            for line in pipe:
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _kill(self, *, timed_out: bool = False) -> End:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DEATH)
        text = "" if self._printed.closed else self.printed()
        self._printed.close()
        with contextlib.suppress(OSError):
            self._input.close()
        return End(self._process.returncode, text, timed_out)


class Pipe:
    """The child's end: requests come in and answers go out, on descriptors that nothing else writes to.

    Standard input then reads nothing, and standard output goes where standard error goes, for Python and for native
    code alike: whatever a kernel prints, it cannot be taken for an answer.
    """

    def __init__(self) -> None:
        self._incoming = os.fdopen(os.dup(0), "rb")
        self._outgoing = os.fdopen(os.dup(1), "wb")
        sys.stdout.flush()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._asking = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def receive(self) -> dict[str, Any] | None:
        """The next message; None when the parent closed the pipe or is gone."""
        return self._messages.get()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        self._outgoing.write(json.dumps(message).encode() + b"\n")
        self._outgoing.flush()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the parent something while it waits for an answer; from any thread."""
        with self._asking:
            self.send(question)
            reply = self.receive()
        if reply is None:
            raise EOFError("the parent is gone")
        return reply

    def _listen(self) -> None:
        try:
            for line in self._incoming:
                self._messages.put(json.loads(line))
        finally:
            self._messages.put(None)
        # Whoever is busy now has nobody left to tell the result; an orderly end takes less than this.
        time.sleep(_ORDERLY)
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def die_with_parent(parent: int) -> None:
    """End this process at once when its parent ends, even while native code holds the interpreter, on Linux.

    Elsewhere `Pipe` ends it soon after, as soon as Python code can run.

    Args:
        parent: process id of the parent, which may be gone already.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - not everywhere

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
