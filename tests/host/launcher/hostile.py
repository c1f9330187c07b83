"""Run inside a container: try to get out of the box, or to harm others. Prints {probe: what happened} as JSON.

Every probe either returns (it worked: "DONE …") or raises; the errno's name is what is reported.
"""

# ruff: noqa: PTH101, PTH108, PTH110, PTH123, PLW1510 - a program of its own, as an attacker would write it

import ctypes
import errno
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000, 0x20000000, 0x40000000
SYSCALLS = {
    "bpf": 321, "keyctl": 250, "add_key": 248, "request_key": 249, "perf_event_open": 298, "init_module": 175,
    "finit_module": 313, "delete_module": 176, "kexec_load": 246, "reboot": 169, "swapon": 167, "swapoff": 168,
    "pivot_root": 155, "umount2": 166, "mount": 165, "setns": 308, "open_by_handle_at": 304, "name_to_handle_at": 303,
    "acct": 163, "settimeofday": 164, "clock_settime": 227, "iopl": 172, "ioperm": 173, "quotactl": 179,
    "syslog": 103, "userfaultfd": 323, "lookup_dcookie": 212, "move_pages": 279, "mbind": 237, "fsopen": 430,
    "move_mount": 429, "open_tree": 428, "process_vm_writev": 311, "vhangup": 153, "nfsservctl": 180,
}  # fmt: skip


def call(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result


def write_to(path):
    def probe():
        with open(path, "wb") as file:
            file.write(b"x")

    return probe


def overwrite(path):
    def probe():
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"x")

    return probe


def syscall(number):
    return lambda: call(libc.syscall(number, 0, 0, 0, 0, 0, 0))


def raw_socket(family, kind, protocol):
    return lambda: socket.socket(family, kind, protocol).close()


def connect(address, port):
    def probe():
        with socket.create_connection((address, port), timeout=2):
            pass

    return probe


def gateway():
    for line in pathlib.Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return socket.inet_ntoa(bytes.fromhex(fields[2])[::-1])
    return "127.0.0.1"


def set_uid_program():
    # NoNewPrivs makes the bit of a set-uid root program mean nothing.
    copy = "/tmp/suid"
    subprocess.run(["cp", "/usr/bin/id", copy], check=True)
    os.chmod(copy, 0o4755)
    for program in (copy, "/bin/mount", "/bin/su", "/usr/bin/passwd"):
        if os.path.exists(program) and program != copy:
            code = subprocess.run([program, "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True).returncode
            if code == 0:
                return f"{program} worked"
    if b"uid=0" in subprocess.run([copy], capture_output=True).stdout:
        return "became root"
    raise PermissionError(errno.EPERM, "")


def fill(folder, at_most):
    written = 0
    try:
        with open(folder + "/fill", "wb") as file:
            while written <= at_most:
                written += file.write(b"\0" * (1 << 20))
                file.flush()
    finally:
        os.unlink(folder + "/fill")
    return f"{written} bytes"


def fork_bomb():
    children = []
    try:
        for _ in range(3000):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
        return f"{len(children)} children"
    except OSError as error:
        raise OSError(error.errno, str(len(children))) from None
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def run_from(folder):
    def probe():
        subprocess.run(["cp", "/bin/true", folder + "/prog"], check=True)
        os.chmod(folder + "/prog", 0o755)
        subprocess.run([folder + "/prog"], check=True)

    return probe


def raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))


def kill_entry():
    os.kill(1, signal.SIGKILL)  # "works", and does nothing: seen from inside, process 1 cannot be killed
    os.kill(1, 0)
    raise PermissionError(errno.EPERM, "")


def namespaces(flag):
    return lambda: call(libc.unshare(flag))


def probes():
    yield from ((f"write {path}", write_to(path)) for path in (
        "/x", "/etc/x", "/usr/bin/x", "/app/x", "/app/static/x", "/app/bin/x", "/app/lib/x", "/var/x", "/root/x",
        "/home/x",
        "/run/x", "/opt/x", "/dev/x", "/sys/x", "/proc/x", "/sys/fs/cgroup/x", "/var/tmp/x", "/credentials/x",
    ))  # fmt: skip
    yield from ((f"overwrite {path}", overwrite(path)) for path in (
        "/etc/passwd", "/app/lib/alvps/agent/entry.pyc", "/app/static/run.sh", "/proc/sysrq-trigger", "/etc/hosts",
        "/etc/resolv.conf", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/1/oom_score_adj_no",
        "/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/release_agent",
    ))  # fmt: skip
    yield from ((f"open {path}", overwrite(path)) for path in (
        "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/loop0", "/dev/fuse", "/dev/kvm", "/dev/net/tun",
        "/proc/kcore",
    ))  # fmt: skip
    yield from ((f"syscall {name}", syscall(number)) for name, number in SYSCALLS.items())
    yield "new user namespace", namespaces(CLONE_NEWUSER)
    yield "new mount namespace", namespaces(CLONE_NEWNS)
    yield "new user and mount namespace", namespaces(CLONE_NEWUSER | CLONE_NEWNS)
    yield "new process namespace", namespaces(CLONE_NEWPID)
    yield "new network namespace", namespaces(CLONE_NEWNET)
    yield "mount tmpfs", lambda: call(libc.mount(b"x", b"/tmp", b"tmpfs", 0, None))
    yield "remount root writable", lambda: call(libc.mount(None, b"/", None, 0x20, None))
    yield "mount proc", lambda: call(libc.mount(b"proc", b"/tmp", b"proc", 0, None))
    yield "bind mount", lambda: call(libc.mount(b"/etc", b"/tmp", None, 0x1000, None))
    yield "unmount static", lambda: call(libc.umount2(b"/app/static", 2))
    yield "setuid", lambda: os.setuid(0)
    yield "setgid", lambda: os.setgid(0)
    yield "setgroups", lambda: os.setgroups([0])
    yield "setresuid", lambda: os.setresuid(0, 0, 0)
    yield "set-uid program", set_uid_program
    yield "chroot", lambda: os.chroot("/tmp")
    yield "mknod", lambda: os.mknod("/tmp/sda", 0o60666, os.makedev(8, 0))
    yield "chown", lambda: os.chown("/tmp", 0, 0)
    yield "sethostname", lambda: socket.sethostname("owned")
    yield "priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -10)
    yield "raise a limit", raise_limit
    yield "spare itself from the memory killer", lambda: pathlib.Path("/proc/self/oom_score_adj").write_text("-1000")
    yield "raw ICMP", raw_socket(socket.AF_INET, socket.SOCK_RAW, 1)
    yield "raw TCP", raw_socket(socket.AF_INET, socket.SOCK_RAW, 6)
    yield "packet socket", raw_socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
    yield "vsock", raw_socket(40, socket.SOCK_STREAM, 0)
    yield "docker socket", lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock")
    yield "docker socket in run", lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock")
    yield "launcher socket", lambda: socket.socket(socket.AF_UNIX).connect("/run/action-llama-launcher/launcher.sock")
    yield "docker over TCP", connect(gateway(), 2375)
    yield "kill process 1", kill_entry
    yield "run from /credentials", run_from("/credentials")
    yield "run from /dev/shm", run_from("/dev/shm")
    yield "fill /tmp", lambda: fill("/tmp", 80 << 20)
    yield "fill /dev/shm", lambda: fill("/dev/shm", 80 << 20)
    yield "fork bomb", fork_bomb


def main():
    found = {}
    # A set-uid or unmount probe that worked would change what the later ones mean, so nothing is undone or hidden.
    for name, probe in probes():
        child_read, child_write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                result = f"DONE {probe()}"
            except OSError as error:
                result = f"{errno.errorcode.get(error.errno, error.errno)} {error.strerror or ''}"
            except (PermissionError, subprocess.CalledProcessError, ValueError) as error:
                result = f"REFUSED {error}"
            os.write(child_write, result.encode())
            os._exit(0)
        os.close(child_write)
        found[name] = os.read(child_read, 4096).decode() or "KILLED"
        os.close(child_read)
        os.waitpid(child, 0)
    status = dict(
        line.split(":\t", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    facts = {
        name: status[name].strip()
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups")
    }
    print(json.dumps({"probes": found, "facts": facts}))


sys.stdout.reconfigure(line_buffering=True)
main()
