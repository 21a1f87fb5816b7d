"""Programs from PyPI, in the versions of requirements.txt: fetched once, into .cache/openapi or $PROCTORWISE_CACHE_DIR/openapi.

    said = tools.run("openapi-spec-validator", document, cwd=directory)     # a completed process; its stdout has both outputs
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHON = "/usr/bin/python3"  # Debian's, whose pip script/setup installed.
ATTEMPTS, SECONDS_MAX = 3, 900


def run(program, *arguments, cwd, env=None):
    """Runs one of the programs, whatever it returns. `python` has all the packages."""
    programs = environment() / "bin"
    path = f"{programs}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PW_", "PYTHON"))}
    return _run([programs / program, *arguments], cwd, inherited | {"PATH": path, "NO_COLOR": "1"} | (env or {}))


def environment():
    """The directory of an environment with just these packages. The file `complete` is written last and holds what it stands for,
    so half a download, or another version, is not taken for the whole."""
    cache = Path(os.environ.get("PROCTORWISE_CACHE_DIR", ROOT / ".cache"))
    directory, wanted = cache / "openapi", REQUIREMENTS.read_text()
    complete = directory / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "openapi.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text() != wanted:
            _fetch(directory)
            complete.write_text(wanted)
    return directory


def _fetch(directory):
    print(f"fetching what checks the API's document into {directory}", file=sys.stderr, flush=True)
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for argv in ([PYTHON, "-m", "venv", "--without-pip", directory],
                     [PYTHON, "-m", "pip", "--python", directory / "bin/python", "install", "-q", "-r", REQUIREMENTS]):
            done = _run(argv, directory, None)
            if done.returncode != 0:
                break
        else:
            return
        if attempt == ATTEMPTS:
            raise RuntimeError(f"{' '.join(map(str, argv))} failed:\n{done.stdout[-3000:]}")
        time.sleep(2 * attempt)


def _run(argv, cwd, env):
    return subprocess.run([str(word) for word in argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX, check=False)
