"""From an empty Debian to a login over TLS and a protected route of a second service.

    make wheel
    python3 -m scripts.empty_debian          # as root, with mmdebstrap, systemd-nspawn, slirp4netns

Boots a minimal Debian in namespaces of its own and follows ``docs/one-machine.md`` there: every
block, in its order, word for word. Beforehand the machine gets what a rented one would have, or
what cannot be had here:

- the name login.example.com, which leads to itself;
- a certificate for it by an authority that the machine trusts, and a line in the Caddyfile that
  names it: no authority of the Internet would sign for that name;
- this machine's own certificates for pip, which may have to trust more than Debian does.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.dockerfile import CERTIFICATES, bootstrap

ROOT = Path(__file__).parent.parent

NAME = "login.example.com"

TOOLS = ("mmdebstrap", "systemd-nspawn", "slirp4netns", "nsenter", "openssl")

BOOTS = "systemd,systemd-sysv,dbus,iproute2,ca-certificates"
"""What a Debian that boots has, and that of most hosters."""

BOOT_TIMEOUT = 120
"""Seconds."""


def script() -> str:
    """The blocks of the document as one script; a Python block is saved as the file it names."""
    return "\n".join(_commands((ROOT / "docs/one-machine.md").read_text()))


def _commands(document: str) -> Iterator[str]:
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL):
        if language == "python":
            (name,) = re.findall(r"\A\"\"\"(\w+\.py):", block)
            yield f"cat > {name} <<'END_OF_FILE'\n{block}END_OF_FILE"
        else:
            yield block


def certify(root: Path, work: Path) -> None:
    """Make an authority that the machine trusts, and a certificate that it signs."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=work, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    ca = ("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", "-x509", *key, "-subj", "/CN=Trial", *ca)
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{NAME}")
    usage = ("-addext", "basicConstraints=critical,CA:FALSE")
    subject = ("-subj", f"/CN={NAME}", "-keyout", "server.key", "-out", "server.crt")
    openssl("req", "-x509", *key, *subject, *signed, *usage)
    openssl("verify", "-x509_strict", "-CAfile", "ca.crt", "server.crt")  # Python asks for as much
    folder = root / "etc/tls-of-the-trial"
    folder.mkdir(mode=0o755)
    for name in ("server.key", "server.crt"):
        shutil.copy(work / name, folder)
        (folder / name).chmod(0o644)
    shutil.copy(work / "ca.crt", root / "usr/local/share/ca-certificates/trial.crt")
    subprocess.run(["chroot", root, "update-ca-certificates"], check=True, capture_output=True)


def prepare(root: Path, work: Path) -> None:
    """Put on the machine what the document begins with, and what the docstring above says."""
    home = root / "root"
    wheels = sorted((ROOT / "dist").glob("latchkey-*.whl"))
    if not wheels:
        sys.exit("There is no wheel: make wheel")
    shutil.copy(wheels[-1], home)
    shutil.copy(ROOT / "requirements.lock", home)
    shutil.copytree(ROOT / "deploy", home / "deploy")
    certify(root, work)
    caddyfile = home / "deploy/caddy/Caddyfile"
    tls = "\ttls /etc/tls-of-the-trial/server.crt /etc/tls-of-the-trial/server.key\n"
    head, brace, rest = caddyfile.read_text().partition("} {\n")
    caddyfile.write_text(head + brace + tls + rest)
    with (root / "etc/hosts").open("a") as hosts:
        hosts.write(f"127.0.0.1 localhost {NAME}\n")
    (root / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")  # slirp4netns answers there
    shutil.copy(CERTIFICATES, root / "etc/certificates-for-pip.crt")
    (home / "follow").write_text("set -eux\n" + script())


@contextmanager
def booted(root: Path) -> Generator[int]:
    """Start the machine; yields the process number of its first process."""
    nspawn = ["systemd-nspawn", "--quiet", "--boot", f"--directory={root}", "--private-network"]
    nspawn += ["--resolv-conf=off", "--register=no", "--keep-unit", "--console=pipe"]
    machine = subprocess.Popen(nspawn, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    network: subprocess.Popen[bytes] | None = None
    try:
        leader = _leader(machine)
        network = subprocess.Popen(
            ["slirp4netns", "--configure", "--disable-host-loopback", str(leader), "tap0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield leader
    finally:
        for process in filter(None, (network, machine)):
            process.terminate()
            process.wait()


def _leader(machine: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + BOOT_TIMEOUT
    while time.monotonic() < deadline:
        time.sleep(1)
        children = Path(f"/proc/{machine.pid}/task/{machine.pid}/children").read_text().split()
        for child in children:
            up = [*inside(int(child)), "systemctl", "is-system-running"]
            state = subprocess.run(up, check=False, capture_output=True, text=True).stdout
            if state.strip() in ("running", "degraded"):
                return int(child)
    sys.exit("the machine does not boot")


def inside(leader: int) -> list[str]:
    """How a command is called on the machine."""
    environment = ["env", "--ignore-environment", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
    environment += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    environment += ["PIP_CERT=/etc/certificates-for-pip.crt"]
    return ["nsenter", f"--target={leader}", "--all", *environment]


def main() -> None:
    """Make the machine, and follow the document on it."""
    parser = argparse.ArgumentParser(description="Follow docs/one-machine.md on an empty Debian.")
    parser.add_argument("--suite", default="bookworm", help="of Debian")
    parser.add_argument(
        "--cache", type=Path, default=Path("/var/cache/latchkey-debian"), help="keeps Debian"
    )
    arguments = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.getuid() or missing:
        sys.exit("This needs root and: " + " ".join(TOOLS))
    with tempfile.TemporaryDirectory(prefix="latchkey-debian-") as folder:
        work = Path(folder)
        root = work / "machine"
        bootstrap(arguments.suite, root, arguments.cache, include=BOOTS)
        prepare(root, work)
        with booted(root) as leader:
            follow = ["sh", "-c", "cd /root && exec sh ./follow"]
            finished = subprocess.run([*inside(leader), *follow], check=False)
            if finished.returncode:
                log = ["journalctl", "--no-pager", "--lines=60", "--priority=warning"]
                subprocess.run([*inside(leader), *log], check=False)
                sys.exit("docs/one-machine.md does not work on an empty Debian.")
    print("docs/one-machine.md works on an empty Debian.")


if __name__ == "__main__":
    main()
