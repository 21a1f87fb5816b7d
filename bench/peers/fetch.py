"""What the peers need and ProctorWise does not. It is fetched once: Debian's packages, and the rest into .cache/peers.
The service that Debian's PostgreSQL brings along is left alone."""

import os
import shutil
import subprocess
from pathlib import Path

from bench.house import ROOT, say

CACHE = Path(os.environ.get("PROCTORWISE_CACHE_DIR", ROOT / ".cache")) / "peers"


def debian(package, program):
    """The path of a program, which may be a pattern, of a Debian package."""
    if not (found := list(Path("/usr").glob(program))):
        say(f"installing {package}")
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
            _run([*sudo, "apt-get", "-q", *words], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        found = list(Path("/usr").glob(program))
    return max(found)


def python_with(requirements):
    """The interpreter of an environment that has these packages."""
    def make(directory):
        debian("python3-pip", "lib/python3/dist-packages/pip")
        _run(["/usr/bin/python3", "-m", "venv", "--without-pip", directory])
        _run(["/usr/bin/python3", "-m", "pip", "--python", f"{directory}/bin/python", "install", "-r", requirements])
    return _cached("python", requirements.read_text(), make) / "bin/python"


def npm(package, version):
    """The directory of a package from npm."""
    def make(directory):
        program = shutil.which("npm") or debian("npm", "bin/npm")
        _run([program, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", directory, f"{package}@{version}"])
    return _cached("npm", f"{package}@{version}", make) / "node_modules" / package


def _cached(name, wanted, make):
    """A directory that was made for just this wish. `complete` is written last, so that half of one is never taken for it."""
    directory = CACHE / name
    complete = directory / "complete"
    if not complete.exists() or complete.read_text() != wanted:
        say(f"fetching {name} packages into {directory}")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make(directory)
        complete.write_text(wanted)
    return directory


def _run(argv, env=None):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, env=env)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, argv))} failed:\n{done.stdout[-3000:]}")
