"""Which system calls a bundle and its sessions go without.

Landlock covers files, signals and what is in the memory of others.  What it leaves open is closed here:
limits and turns of the processor of others (a limit of processor time has the kernel kill them), memory and
queues without a file, sockets that its rules for TCP do not see, namespaces, and what the kernel offers to
administrators and debuggers.  Ordinary programs miss none of it: who asks for a thing that has a substitute
(`clone3`, rings) is told that there is none, and takes that.
"""

from __future__ import annotations

from errno import EACCES, EAFNOSUPPORT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT

from runtime.process.confine import calls
from runtime.process.confine.seccomp import (
    ALLOW,
    NOTIFY,
    Rule,
    deny,
    differs,
    equals,
    has_any,
    is_given,
    masked,
    within,
)

_NAMESPACES, _NEWTIME = 0x7E020000, 0x80
_CLONE_PARENT = 0x8000
_PR_SET_CHILD_SUBREAPER = 36
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_IPPROTO_MPTCP = 262
_MSG_FASTOPEN = 0x20000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
_F_SETOWN, _F_SETOWN_EX = 8, 15
_F_SETLEASE, _F_SETDELEG = 1024, 1040
_PRIO_USER, _IOPRIO_WHO_USER = 2, 3
_SOCK_DGRAM, _SOCK_RAW, _KIND = 2, 3, 0xF
_IPPROTO_TCP = 6
_ASK_PERSONALITY = 0xFFFFFFFF

NEVER_INNOCENT = (
    "ptrace process_vm_readv process_vm_writev pidfd_getfd bpf perf_event_open userfaultfd add_key keyctl "
    "mount umount2 pivot_root move_mount open_tree open_tree_attr fsopen fsmount setns open_by_handle_at "
    "init_module finit_module delete_module kexec_load kexec_file_load iopl ioperm swapon swapoff reboot "
    "settimeofday clock_settime acct"
)
"""Calls that no agent makes by accident: debuggers, administrators and those who break out make them."""


def basic() -> list[Rule]:
    """What no session needs, at any level."""
    return [
        Rule("ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise", deny(EPERM)),
        Rule("process_mrelease perf_event_open bpf userfaultfd lookup_dcookie", deny(EPERM)),
        Rule("add_key request_key keyctl", deny(EPERM)),
        Rule("io_uring_setup io_uring_enter io_uring_register", deny(ENOSYS)),
        Rule("mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen", deny(EPERM)),
        Rule("fsconfig fsmount fspick mount_setattr open_by_handle_at fanotify_init", deny(EPERM)),
        Rule("quotactl quotactl_fd nfsservctl acct swapon swapoff reboot vhangup syslog", deny(EPERM)),
        Rule("init_module finit_module delete_module kexec_load kexec_file_load iopl ioperm", deny(EPERM)),
        Rule("settimeofday clock_settime sethostname setdomainname setns", deny(EPERM)),
        Rule("unshare", deny(EPERM), has_any(0, _NAMESPACES | _NEWTIME)),
        Rule("clone", deny(EPERM), has_any(0, _NAMESPACES)),
        # What is no longer below its session is not counted, nor found when that ends.
        Rule("clone", deny(EPERM), has_any(0, _CLONE_PARENT)),
        Rule("prctl", deny(EPERM), equals(0, _PR_SET_CHILD_SUBREAPER), equals(1, 0)),
        Rule("clone3", deny(ENOSYS)),  # its flags cannot be seen from here; clone is used then
        Rule("personality", deny(EPERM), differs(0, 0, _ASK_PERSONALITY)),
        # Memory, semaphores and queues that all processes of a user share, whatever folders they see.
        Rule("shmget shmat shmctl shmdt semget semop semctl semtimedop", deny(EPERM)),
        Rule("msgget msgsnd msgrcv msgctl mq_open mq_unlink", deny(EPERM)),
        # Who has a lease of a file holds up whoever opens it: of a module, every import of it for 45 seconds.
        Rule("fcntl", deny(EPERM), equals(1, _F_SETLEASE, _F_SETDELEG)),
        # Of others; 0 is oneself.  Reading a limit gives nothing away.
        Rule("prlimit64", deny(EPERM), is_given(0), is_given(2)),
        Rule("sched_setaffinity sched_setscheduler sched_setparam sched_setattr", deny(EPERM), is_given(0)),
        Rule("migrate_pages move_pages", deny(EPERM), is_given(0)),
        Rule("setpriority", deny(EPERM), equals(0, _PRIO_USER)),
        Rule("ioprio_set", deny(EPERM), equals(0, _IOPRIO_WHO_USER)),
        Rule("setpriority ioprio_set", deny(EPERM), is_given(1)),
        Rule("ioctl", deny(EPERM), equals(1, _TIOCSTI, _TIOCLINUX)),
        *_sockets(),
    ]


def strict(network: str, *, is_watched: bool = False) -> list[Rule]:
    """What is denied besides, and before, where a session may reach nothing that it was not granted.

    Args:
        network: ``all``, ``none``, or ``list``, where whoever holds the listener answers for each connection.
        is_watched: Calls that are never innocent wait for whoever holds the listener, too.
    """
    rules = [Rule(NEVER_INNOCENT, NOTIFY)] if is_watched else []
    if network != "all":
        # Nameless pairs that stay connected are all that asyncio, pipes and pools of processes need.
        rules += [
            Rule("socket", deny(EACCES), equals(0, _AF_UNIX)),
            Rule("socketpair", deny(EACCES), masked(1, _KIND, _SOCK_DGRAM)),
            Rule("socketpair", deny(EACCES), masked(1, _KIND, _SOCK_RAW)),  # of this family the same
            Rule("bind listen", deny(EACCES)),
        ]
    if network == "none":
        rules += [
            Rule("socket", deny(EACCES), equals(0, _AF_INET, _AF_INET6)),
            Rule("connect", deny(EACCES)),
        ]
    if network == "list":
        rules += [
            Rule("socket", deny(EACCES), equals(0, _AF_INET, _AF_INET6), masked(1, _KIND, _SOCK_DGRAM)),
            Rule("socket", deny(EACCES), equals(0, _AF_INET, _AF_INET6), masked(1, _KIND, _SOCK_RAW)),
            Rule("socket", deny(EACCES), equals(0, _AF_INET, _AF_INET6), differs(2, 0, _IPPROTO_TCP)),
            Rule("connect", NOTIFY),
        ]
    return rules


def watched() -> dict[int, str]:
    """The calls that may come to be waited for, by number."""
    table = calls.of(None)
    numbers = {table.number(name): name for name in (*NEVER_INNOCENT.split(), "connect")}
    return {number: name for number, name in numbers.items() if number is not None}


def _sockets() -> list[Rule]:
    """Families that ordinary programs use, and nothing that passes by Landlock's rules for TCP."""
    families = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)
    return [
        Rule("socket", deny(EAFNOSUPPORT), differs(0, *families)),
        Rule("socket", deny(EPROTONOSUPPORT), equals(0, _AF_NETLINK), is_given(2)),  # but for routes
        Rule("socket", deny(EPROTONOSUPPORT), equals(0, _AF_INET, _AF_INET6), equals(2, _IPPROTO_MPTCP)),
        Rule("sendto sendmmsg", deny(EOPNOTSUPP), has_any(3, _MSG_FASTOPEN)),
        Rule("sendmsg", deny(EOPNOTSUPP), has_any(2, _MSG_FASTOPEN)),
    ]


def users_but(first: int, last: int) -> list[Rule]:
    """To become anybody but those from `first` to `last`, for a process that may become others."""
    return [
        Rule("setuid setfsuid", ALLOW, within(0, first, last)),
        Rule("setreuid", ALLOW, within(0, first, last), within(1, first, last)),
        Rule("setresuid", ALLOW, *(within(each, first, last) for each in range(3))),
        Rule("setuid setfsuid setreuid setresuid", deny(EPERM)),
    ]


def instead_of_landlock(version: int, protected: list[int]) -> list[Rule]:
    """What a filter can do for what the kernel's Landlock does not know yet.

    Args:
        version: Landlock's ABI; 0 for none.
        protected: Processes that no session may signal: front, init, zygote.  Siblings cannot be listed.
    """
    rules: list[Rule] = []
    if version < 3:  # a file can be emptied without being written to
        rules += [
            Rule("truncate", deny(EPERM)),
            Rule("open", deny(EPERM), masked(1, _O_ACCMODE | _O_TRUNC, _O_TRUNC)),
            Rule("openat", deny(EPERM), masked(2, _O_ACCMODE | _O_TRUNC, _O_TRUNC)),
            Rule("openat2", deny(ENOSYS)),
        ]
    if version < 6 and protected:
        groups = [-pid for pid in protected]
        rules += [
            Rule("kill", deny(EPERM), equals(0, -1, *protected, *groups)),
            Rule(
                "tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open",
                deny(EPERM),
                equals(0, *protected),
            ),
            Rule("pidfd_send_signal", deny(EPERM)),  # a folder of /proc serves as its descriptor
            Rule("fcntl", deny(EPERM), equals(1, _F_SETOWN), equals(2, *protected, *groups)),
            Rule("fcntl", deny(EPERM), equals(1, _F_SETOWN_EX)),
        ]
    return rules
