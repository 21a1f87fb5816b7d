"""Processes that outlive whoever started them, and the proof that one of them is ours.

A pid file holds "PID START", START being the kernel's start time of that process. A process is ours when a living process
has that pid, that start time, and a command line that names our own directory. Only such a process is ever signalled, and
always through a pidfd, so that the pid cannot pass to a stranger between the proof and the signal.
"""

import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

# The child writes its own pid file before it becomes the server: killing the starter at any moment loses no process.
_LAUNCH = 'echo "$$ $(cut -d" " -f22 /proc/$$/stat)" >"$0.new" && mv "$0.new" "$0" && exec "$@"'


class ProcessError(Exception):
    """A server did not do what was asked; the text says what, why and which log tells more."""


def wait_until(what, condition, seconds, every=0.05):
    """Asks `condition` until it is true. Raises ProcessError("... not WHAT within ...") when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ProcessError(f"not {what} within {seconds} s")
        time.sleep(every)


def as_user(name):
    """How root starts a server that does not like to be root, as MariaDB, its rsync and PostgreSQL: as another user, with the one
    capability that lets it reach its files below a directory that is closed to others, as /root is. access(2) would ignore that
    capability without the secure bit, and Aria take its control file for missing and its tables for another server's."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--securebits=+no_setuid_fixup",
            "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


class Process:
    """One server process, known by its pid file.

    mark      A path of ours that stands in the command line of the process.
    log_file  Where its output is appended.
    """

    _started_here = {}  # pid -> Popen: our own children, to be reaped when they have ended.

    def __init__(self, pid_file, mark, log_file):
        self.pid_file = Path(pid_file)
        self.log_file = Path(log_file)
        self._mark = re.compile(re.escape(str(mark)) + r"(?![\w.-])")  # /x/node1 is not /x/node10.
        self._child = None

    def spawn(self, argv, cwd="/", env=None):
        """Starts `argv` in a session of its own. Returns once the process is proven ours, or has ended already."""
        self.pid_file.unlink(missing_ok=True)
        with open(self.log_file, "ab") as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCH, str(self.pid_file), *map(str, argv)], cwd=cwd, env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started_here[child.pid] = self._child = child
        wait_until("started", lambda: self.pid() is not None or child.poll() is not None, 20, every=0.01)

    def pid(self):
        """The pid of the living process that is proven ours, or None."""
        fd = self._open()
        if fd is None:
            return None
        os.close(fd)
        return self._recorded()[0]

    def exit_code(self):
        """How the process that this object spawned has ended (-9: killed by signal 9); None while it runs."""
        return self._child.poll() if self._child is not None else None

    def paused(self):
        """Whether the process is ours and stopped by a signal."""
        pid = self.pid()
        return pid is not None and (_stat(pid) or ["?"])[0] in "Tt"

    def signal(self, number):
        """Sends a signal to the process if it is ours. Returns whether there was one."""
        fd = self._open()
        if fd is None:
            return False
        try:
            return _send(fd, number)
        finally:
            os.close(fd)

    def end(self, patience_seconds=30):
        """Ends the process: asks first, insists after `patience_seconds` (0 insists at once). Its ports are free afterwards."""
        fd = self._open()
        if fd is not None:
            try:
                if patience_seconds > 0 and _send(fd, signal.SIGTERM):
                    _send(fd, signal.SIGCONT)  # One that is paused would never see the request.
                    _ended(fd, patience_seconds)
                _send(fd, signal.SIGKILL)
                if not _ended(fd, 20):
                    raise ProcessError("not ended within 20 s")
            finally:
                os.close(fd)
        self._end_helpers()
        self.pid_file.unlink(missing_ok=True)

    def log_tail(self, lines=25):
        """The last lines of the log, and where the rest is."""
        try:
            text = self.log_file.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            text = []
        return "\n".join([f"--- the last lines of {self.log_file}:", *text])

    def _end_helpers(self):
        """Kills what the server started and left behind, as Galera's rsync after kill -9: same session, same mark."""
        recorded = self._recorded()
        for entry in os.listdir("/proc") if recorded else []:
            stat = _stat(entry) if entry.isdigit() else None
            if stat and int(stat[3]) == recorded[0] and int(entry) != recorded[0] and self._marked(entry):
                try:
                    os.kill(int(entry), signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def _open(self):
        """A pidfd of the process when it is proven ours, else None."""
        recorded = self._recorded()
        if recorded is None:
            return None
        pid, start = recorded
        if pid in self._started_here and self._started_here[pid].poll() is not None:
            del self._started_here[pid]
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return None
        stat = _stat(pid)
        if stat and stat[0] != "Z" and stat[19] == start and self._marked(pid):
            return fd
        os.close(fd)
        return None

    def _recorded(self):
        try:
            pid, start = self.pid_file.read_text().split()
            return int(pid), start
        except (OSError, ValueError):
            return None

    def _marked(self, pid):
        command = _command(pid).replace(b"\0", b" ").decode(errors="replace")
        return not command.startswith("/bin/sh -c echo") and self._mark.search(command) is not None


def _send(fd, number):
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    return True


def _ended(fd, seconds):
    """Waits for the end of all threads of a process: while one lives, sockets stay bound, although /proc calls it a zombie."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _command(pid):
    """The command line of a process, or nothing. In the middle of an exec(2) it is empty for a moment."""
    for _ in range(1000):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
        if command or (_stat(pid) or "Z")[0] == "Z":
            return command
        time.sleep(0.001)
    return b""


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (state, ppid, pgrp, session, ...), or None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
