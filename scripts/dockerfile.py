"""Run the instructions of the Dockerfile without a container engine, and serve from the result.

    python3 -m scripts.dockerfile            # as root, on Debian, with mmdebstrap

Each ``FROM debian:SUITE`` is a root file system made by mmdebstrap, each ``RUN`` is run in it by
chroot, and the rest does what the Dockerfile's reference says. The image is then started as an
orchestrator would: its own user, a read-only root, no shell, and its own health check. Layers, the
cache, the labels' place in an image and the engine's own isolation are not tried.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those of this machine, which may have to trust more than Debian does to reach a registry."""

SETTINGS = {
    "LATCHKEY_DATABASE_URL": "sqlite:////data/latchkey.db",
    "LATCHKEY_SECRET_KEY": "a-secret-key-for-the-trial-of-the-dockerfile",
    "LATCHKEY_ISSUER": "https://login.example.com",
}

SHELLS = ("bin/sh", "bin/dash", "bin/bash", "usr/bin/sh", "usr/bin/dash", "usr/bin/bash")

START_TIMEOUT = 90
"""Seconds."""


@dataclass
class Stage:
    """A root file system and what is known of the image that it becomes."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
    )
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction of a Dockerfile and what follows it, continued lines put together."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(kept).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def words(rest: str) -> list[str]:
    """The exec form as a list, or the shell form as what the shell is called with."""
    if rest.startswith("["):
        listed: list[str] = json.loads(rest)
        return listed
    return ["/bin/sh", "-c", rest]


def bootstrap(suite: str, root: Path, cache: Path, include: str = "") -> None:
    """Unpack a minimal Debian and the packages to ``include``; it is downloaded once."""
    archive = cache / f"{suite}{'-with-' if include else ''}{include.replace(',', '-')}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = archive.with_suffix(".partial.tar")
        make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", suite]
        subprocess.run([*make, made], check=True)
        made.rename(archive)
    root.mkdir()
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", root], check=True)


def inside(stage: Stage, command: Sequence[str], *, prepare: str = "") -> list[str]:
    """The command that runs ``command`` in the stage, in namespaces of its own.

    ``prepare`` is run in the same namespaces before the root is entered.
    """
    user, _, group = stage.user.partition(":")
    enter = [
        *("chroot", f"--userspec=+{user}:+{group or user}", "--groups=", str(stage.root)),
        *("env", "--ignore-environment", f"--chdir={stage.folder}"),
        *(f"{name}={value}" for name, value in stage.environment.items()),
        *command,
    ]
    script = f"set -e; {prepare} {_mounts(stage.root)}; exec {shlex.join(enter)}"
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]


def _mounts(root: Path) -> str:
    return f"mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev"


def run(stage: Stage, command: Sequence[str]) -> None:
    """A ``RUN`` instruction, with this machine's names and certificates."""
    shutil.copy("/etc/resolv.conf", stage.root / "etc/resolv.conf")
    trusted = stage.root / "run/host-certificates.crt"
    shutil.copy(CERTIFICATES, trusted)
    building = Stage(stage.root, dict(stage.environment), stage.folder, stage.user)
    building.environment |= {
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_CERT": f"/run/{trusted.name}",
    }
    subprocess.run(inside(building, command), check=True)


def ignored(path: Path) -> bool:
    """Whether ``.dockerignore`` keeps a file of the checkout out: it names what comes in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = [line.removeprefix("!") for line in lines if line.startswith("!")]
    return path.relative_to(ROOT).parts[0] not in admitted


def copy(stage: Stage, stages: Mapping[str, Stage], rest: str) -> None:
    """A ``COPY`` instruction."""
    parts = rest.split()
    source_root = ROOT
    if parts[0].startswith("--from="):
        source_root = stages[parts.pop(0).removeprefix("--from=")].root
    *sources, target = parts
    destination = stage.root / (stage.folder + "/" + target).lstrip("/")
    if target.startswith("/"):
        destination = stage.root / target.lstrip("/")
    for name in sources:
        source = source_root / name.lstrip("/")
        if source_root == ROOT and ignored(source):
            sys.exit(f".dockerignore leaves out {name}, which the Dockerfile copies")
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__") if source_root == ROOT else None
            shutil.copytree(source, destination, symlinks=True, dirs_exist_ok=True, ignore=skip)
        else:
            into = destination / source.name if target.endswith("/") else destination
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, into)


def build(work: Path, cache: Path) -> Stage:
    """Go through the Dockerfile; return its last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in instructions((ROOT / "Dockerfile").read_text()):
        print(f"{name} {rest}", flush=True)
        if name == "FROM":
            image, _, alias = rest.partition(" AS ")
            suite = image.removeprefix("debian:").removesuffix("-slim")
            stage = Stage(work / (alias or "image"))
            stages[alias or "image"] = stage
            bootstrap(suite, stage.root, cache)
            continue
        assert stage is not None, "a Dockerfile begins with FROM"
        match name:
            case "RUN":
                run(stage, words(rest))
            case "COPY":
                copy(stage, stages, rest)
            case "ENV":
                stage.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
            case "WORKDIR":
                stage.folder = rest
                (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = rest
            case "STOPSIGNAL":
                stage.stop_signal = rest
            case "ENTRYPOINT":
                stage.entrypoint = words(rest)
            case "CMD":
                stage.command = words(rest)
            case "HEALTHCHECK":
                stage.health = words(rest.partition("CMD ")[2])
            case "LABEL" | "EXPOSE":
                pass
            case _:
                sys.exit(f"{name} is not known here")
    assert stage is not None
    return stage


def read_only(stage: Stage, data: Path) -> str:
    """Mount the root read-only, ``data`` at /data, memory at /tmp, and nothing over the shells.

    The only network is the loopback interface of its own.
    """
    (stage.root / "data").mkdir(exist_ok=True)
    root = stage.root
    shells = {(root / shell).resolve() for shell in SHELLS if (root / shell).is_file()}
    mounts = [
        "ip link set lo up",
        f"mount --bind {root} {root}",
        f"mount -o remount,bind,ro {root}",
        f"mount --bind {data} {root}/data",
        f"mount -t tmpfs tmpfs {root}/tmp",
        *(f"mount --bind /dev/null {shell}" for shell in sorted(shells)),
    ]
    return "".join(f"{mount}; " for mount in mounts)


def start(stage: Stage, data: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the image as it would be in production."""
    command = [*stage.entrypoint, *(arguments or stage.command)]
    started = Stage(stage.root, stage.environment | SETTINGS, stage.folder, stage.user)
    unshare, *more = inside(started, command, prepare=read_only(stage, data))
    return subprocess.Popen([unshare, "--net", *more])


def finish(process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for a command that has to succeed."""
    if process.wait():
        sys.exit(f"{what} failed")


def try_out(stage: Stage, data: Path) -> None:
    """Migrate, serve, ask for the health, and stop."""
    uid = int(stage.user.partition(":")[0])
    os.chown(data, uid, uid)
    finish(start(stage, data, "db", "upgrade"), "the migration")
    server = start(stage, data)
    time.sleep(1)
    # It is what unshare has forked: its only child.
    (pid,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    healthy = ["nsenter", f"--target={pid}", "--net", *inside(stage, stage.health)]
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(healthy, check=False, stderr=subprocess.DEVNULL).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit("the server is not healthy")
        time.sleep(1)
    print("The server is healthy, as its own user, on a read-only root, without a shell.")
    os.kill(int(pid), getattr(signal, stage.stop_signal))
    if server.wait() not in (0, 128 + signal.SIGTERM):
        sys.exit("the server did not end well")
    print("It has ended at the stop signal.")


def main() -> None:
    """Build, and try out what was built."""
    parser = argparse.ArgumentParser(description="Run the Dockerfile without a container engine.")
    parser.add_argument(
        "--cache", type=Path, default=Path("/var/cache/latchkey-debian"), help="keeps Debian"
    )
    arguments = parser.parse_args()
    if os.getuid() or not shutil.which("mmdebstrap"):
        sys.exit("This needs root and mmdebstrap: apt-get install mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="latchkey-image-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        stage = build(work, arguments.cache)
        data = work / "data"
        data.mkdir()
        try_out(stage, data)


if __name__ == "__main__":
    main()
