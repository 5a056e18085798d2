"""Taking turns: one process a runtime, kept alive; a turn that other processes disturbed is taken again.

On a shared machine a median of many runs is not enough, since a neighbour may work for a minute. What others took of
the CPUs during a turn is read from the kernel's counters, and a turn that lost more than a share is taken again.
"""
import json
import os
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = len(os.sched_getaffinity(0))
DISTURBANCE_LIMIT = 0.08
SECONDS_TO_START = 300
SECONDS_TO_ANSWER = 1800


def busy_ticks():
    """Time that all CPUs worked, what the hypervisor took included, since the machine started."""
    with open("/proc/stat") as file:
        values = [int(value) for value in file.readline().split()[1:9]]
    return sum(values) - values[3] - values[4]


def wait_for_quiet(longest=1.0):
    """Returns when the CPUs have little to do, or after `longest` seconds."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        before = busy_ticks()
        time.sleep(0.1)
        if busy_ticks() - before <= 0.12 * 0.1 * CPUS * TICKS:
            return


def resident_mib(process):
    """Memory of a process that lies in RAM, in MiB, pages of mapped files included."""
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class Failure(Exception):
    """A runtime that does not start, has died, or can't do what it is asked."""


class Worker:
    """A runtime in a process of its own."""

    def __init__(self, engine, precision, command, log, attempts):
        self.engine, self.precision = engine, precision
        self.attempts = attempts
        self.name = f"{engine} {precision}"
        self.disturbed = 0
        self.turns = 0
        self.log = log
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True)
        self.info = self._read(SECONDS_TO_START).get("info", "")

    def _read(self, seconds):
        # A runtime that hangs must not hang the benchmark.
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            self.process.kill()
            self.process.wait()
            with open(self.log) as file:
                lines = [text.strip() for text in file if text.strip()]
            raise Failure(lines[-1][:200] if lines else f"ended with status {self.process.returncode}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has died: reading says why
        return self._read(SECONDS_TO_ANSWER)

    def _ticks(self):
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0  # it has died: the next request says why
        return int(fields[11]) + int(fields[12])

    def measure(self, **request):
        """The answer to a request, taken when others left the CPUs alone, as far as they do."""
        self.turns += 1
        for _ in range(self.attempts):
            wait_for_quiet()
            start, busy, own = time.monotonic(), busy_ticks(), self._ticks()
            answer = self.ask(**request)
            seconds = time.monotonic() - start
            others = (busy_ticks() - busy) - (self._ticks() - own)
            # The counters are too coarse for a turn of a few ticks.
            if seconds < 0.15 or others <= DISTURBANCE_LIMIT * seconds * CPUS * TICKS:
                return answer
        self.disturbed += 1
        return answer

    def quit(self):
        try:
            self.process.stdin.write('{"op":"quit"}\n')
            self.process.stdin.flush()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
