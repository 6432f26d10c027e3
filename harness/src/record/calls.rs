//! The one table of system calls: which are modelled, which change files in a way that is not, which
//! are watched for another reason, which are refused, and which are none of the recorder's business.
//! A test holds that every system call of the architecture stands in exactly one row.
//!
//! Not here: what a call means ([`super::entry`], [`super::finish`]).

use std::collections::HashMap;
use std::sync::LazyLock;

/// A condition on one argument, so that a call of no interest does not stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every time.
    Always,
    /// The low 32 bits of argument `.0`, masked with `.1`, equal `.2`.
    Masked(u8, u32, u32),
    /// The low 32 bits of argument `.0` are one of these.
    OneOf(u8, &'static [u32]),
    /// Argument `.0` is not zero under mask `.1`.
    Any(u8, u32),
}

/// What the recorder does about a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A file operation that the trace describes; numbered.
    Modelled(When),
    /// A file operation that changes nothing; traced and numbered only with `trace_reads`. A read of
    /// descriptor 0 always stops: it is how a driver says that it has nothing left to do.
    Observed,
    /// Changes files in a way that the trace does not describe: counted by name when it hits the
    /// recorded directory.
    Unmodelled(When),
    /// Not a file operation, but it matters to the recorder: mappings, programs, tracing, namespaces.
    Watched(When),
    /// Answered ENOSYS and noted by name, so that the program takes a way that can be recorded.
    Refused,
    /// Never stopped.
    Harmless,
}

use Class::{Harmless, Modelled, Observed, Refused, Unmodelled, Watched};
use When::{Always, Any, Masked, OneOf};

/// `FICLONE` and `FICLONERANGE`: the ioctls that are modelled.
pub const CLONE_IOCTLS: &[u32] = &[0x4004_9409, 0x4020_940d];
/// Ioctls that change a file's bytes, blocks or durability and are not modelled: FIDEDUPERANGE
/// changes no byte and is left out. XFS_IOC_{ALLOCSP,FREESP,RESVSP,UNRESVSP}(64), XFS_IOC_ZERO_RANGE,
/// XFS_IOC_SWAPEXT, XFS_IOC_EXCHANGE_RANGE, EXT4_IOC_MOVE_EXT, EXT4_IOC_SWAP_BOOT,
/// BTRFS_IOC_CLONE's siblings that make or remove subvolumes, F2FS's atomic and volatile writes, FS_IOC_ENABLE_VERITY.
pub const UNMODELLED_IOCTLS: &[u32] = &[
    0x4030_580a,
    0x4030_580b,
    0x4030_5824,
    0x4030_5825,
    0x4030_5828,
    0x4030_5829,
    0x4030_582a,
    0x4030_582b,
    0x4030_5839,
    0xc0c0_586d,
    0x4028_5881,
    0xc028_660f,
    0x0000_6611,
    0x5000_940e,
    0x5000_940f,
    0x5000_9401,
    0x5000_9418,
    0x0000_f501,
    0x0000_f502,
    0x0000_f503,
    0x0000_f505,
    0x4080_6685,
];
/// Both: the ioctls at which a program is stopped.
const IOCTLS: [u32; CLONE_IOCTLS.len() + UNMODELLED_IOCTLS.len()] = {
    let mut all = [0; CLONE_IOCTLS.len() + UNMODELLED_IOCTLS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(CLONE_IOCTLS.len()) {
            None => CLONE_IOCTLS[at],
            Some(rest) => UNMODELLED_IOCTLS[rest],
        };
        at += 1;
    }
    all
};

/// `CLONE_UNTRACED`.
pub const CLONE_UNTRACED: u32 = 0x0080_0000;
/// `MADV_REMOVE`: punches a hole into the file behind a shared mapping.
const MADV_REMOVE: u32 = 9;
const MAP_SHARED_ANONYMOUS: u32 = 0x21;
const MAP_SHARED: u32 = 0x01;
const PROT_WRITE: u32 = 2;
const PR_SET_SECCOMP: u32 = 22;

/// Every call that is not harmless. The hottest stand first: the filter is searched in this order.
pub const CALLS: &[(&str, Class)] = &[
    ("write", Modelled(Always)),
    ("read", Observed),
    ("pwrite64", Modelled(Always)),
    ("fdatasync", Modelled(Always)),
    ("fsync", Modelled(Always)),
    ("openat", Modelled(Always)),
    ("mprotect", Watched(Any(2, PROT_WRITE))),
    ("mmap", Watched(Masked(3, MAP_SHARED_ANONYMOUS, MAP_SHARED))),
    ("pread64", Observed),
    ("close", Observed),
    ("writev", Modelled(Always)),
    ("pwritev", Modelled(Always)),
    ("pwritev2", Modelled(Always)),
    ("sendfile", Modelled(Always)),
    ("splice", Modelled(Always)),
    ("copy_file_range", Modelled(Always)),
    ("open", Modelled(Always)),
    ("openat2", Modelled(Always)),
    ("creat", Modelled(Always)),
    ("truncate", Modelled(Always)),
    ("ftruncate", Modelled(Always)),
    ("fallocate", Modelled(Always)),
    ("mkdir", Modelled(Always)),
    ("mkdirat", Modelled(Always)),
    ("rmdir", Modelled(Always)),
    ("unlink", Modelled(Always)),
    ("unlinkat", Modelled(Always)),
    ("rename", Modelled(Always)),
    ("renameat", Modelled(Always)),
    ("renameat2", Modelled(Always)),
    ("link", Modelled(Always)),
    ("linkat", Modelled(Always)),
    ("symlink", Modelled(Always)),
    ("symlinkat", Modelled(Always)),
    ("mknod", Modelled(Always)),
    ("mknodat", Modelled(Always)),
    ("bind", Modelled(Always)),
    ("msync", Modelled(Always)),
    ("sync", Modelled(Always)),
    ("syncfs", Modelled(Always)),
    ("sync_file_range", Modelled(Always)),
    ("ioctl", Modelled(OneOf(1, &IOCTLS))),
    ("readv", Observed),
    ("preadv", Observed),
    ("preadv2", Observed),
    ("getdents", Observed),
    ("getdents64", Observed),
    ("setxattr", Unmodelled(Always)),
    ("lsetxattr", Unmodelled(Always)),
    ("fsetxattr", Unmodelled(Always)),
    ("setxattrat", Unmodelled(Always)),
    ("removexattr", Unmodelled(Always)),
    ("lremovexattr", Unmodelled(Always)),
    ("fremovexattr", Unmodelled(Always)),
    ("removexattrat", Unmodelled(Always)),
    ("file_setattr", Unmodelled(Always)),
    ("open_by_handle_at", Unmodelled(Always)),
    ("madvise", Unmodelled(Masked(2, u32::MAX, MADV_REMOVE))),
    ("remap_file_pages", Unmodelled(Always)),
    ("pkey_mprotect", Watched(Any(2, PROT_WRITE))),
    ("execve", Watched(Always)),
    ("execveat", Watched(Always)),
    ("clone", Watched(Any(0, CLONE_UNTRACED))),
    ("clone3", Watched(Always)),
    ("seccomp", Watched(Always)),
    ("prctl", Watched(Masked(0, u32::MAX, PR_SET_SECCOMP))),
    ("ptrace", Watched(Always)),
    ("chroot", Watched(Always)),
    ("pivot_root", Watched(Always)),
    ("unshare", Watched(Always)),
    ("setns", Watched(Always)),
    ("mount", Watched(Always)),
    ("umount2", Watched(Always)),
    ("move_mount", Watched(Always)),
    ("acct", Watched(Always)),
    ("tee", Watched(Always)),
    ("vmsplice", Watched(Always)),
    ("io_submit", Watched(Always)),
    ("io_uring_enter", Watched(Always)),
    ("sched_getaffinity", Watched(Always)),
    ("sched_setaffinity", Watched(Always)),
    ("io_uring_setup", Refused),
    ("io_setup", Refused),
];

/// Calls that change no file, or only attributes that no image holds (chmod, chown, times), or that
/// cannot reach a file without a call of the table above.
#[rustfmt::skip]
pub const HARMLESS: &[&str] = &[
    "_sysctl", "accept", "accept4", "access", "add_key", "adjtimex", "afs_syscall", "alarm",
    "arch_prctl", "bpf", "brk", "cachestat", "capget", "capset", "chdir", "chmod", "chown",
    "clock_adjtime", "clock_getres", "clock_gettime", "clock_nanosleep", "clock_settime",
    "close_range", "connect", "create_module", "delete_module", "dup", "dup2", "dup3",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "exit", "exit_group", "faccessat",
    "faccessat2", "fadvise64", "fanotify_init", "fanotify_mark", "fchdir", "fchmod", "fchmodat",
    "fchmodat2", "fchown", "fchownat", "fcntl", "fgetxattr", "file_getattr", "finit_module",
    "flistxattr", "flock", "fork", "fsconfig", "fsmount", "fsopen", "fspick", "fstat", "fstatfs",
    "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "futimesat",
    "get_kernel_syms", "get_mempolicy", "get_robust_list", "get_thread_area", "getcpu", "getcwd",
    "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpeername", "getpgid", "getpgrp",
    "getpid", "getpmsg", "getppid", "getpriority", "getrandom", "getresgid", "getresuid",
    "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday",
    "getuid", "getxattr", "getxattrat", "init_module", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy", "io_getevents",
    "io_pgetevents", "io_uring_register", "ioperm", "iopl", "ioprio_get", "ioprio_set", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "kill", "landlock_add_rule",
    "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lgetxattr", "listen",
    "listmount", "listxattr", "listxattrat", "llistxattr", "lookup_dcookie", "lseek",
    "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "lstat", "map_shadow_stack",
    "mbind", "membarrier", "memfd_create", "memfd_secret", "migrate_pages", "mincore", "mlock",
    "mlock2", "mlockall", "modify_ldt", "mount_setattr", "move_pages", "mq_getsetattr",
    "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "mseal",
    "msgctl", "msgget", "msgrcv", "msgsnd", "munlock", "munlockall", "munmap", "name_to_handle_at",
    "nanosleep", "newfstatat", "nfsservctl", "open_tree", "open_tree_attr", "pause",
    "perf_event_open", "personality", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "pipe",
    "pipe2", "pkey_alloc", "pkey_free", "poll", "ppoll", "prlimit64", "process_madvise",
    "process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "putpmsg",
    "query_module", "quotactl", "quotactl_fd", "readahead", "readlink", "readlinkat", "reboot",
    "recvfrom", "recvmmsg", "recvmsg", "request_key", "restart_syscall", "rseq", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "security", "select",
    "semctl", "semget", "semop", "semtimedop", "sendmmsg", "sendmsg", "sendto", "set_mempolicy",
    "set_mempolicy_home_node", "set_robust_list", "set_thread_area", "set_tid_address",
    "setdomainname", "setfsgid", "setfsuid", "setgid", "setgroups", "sethostname", "setitimer",
    "setpgid", "setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit",
    "setsid", "setsockopt", "settimeofday", "setuid", "shmat", "shmctl", "shmdt", "shmget",
    "shutdown", "sigaltstack", "signalfd", "signalfd4", "socket", "socketpair", "stat", "statfs",
    "statmount", "statx", "swapoff", "swapon", "sysfs", "sysinfo", "syslog", "tgkill",
    "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "tuxcall", "umask",
    "uname", "uprobe", "uretprobe", "uselib", "userfaultfd", "ustat", "utime", "utimensat",
    "utimes", "vfork", "vhangup", "vserver", "wait4", "waitid",
];

/// What the recorder does about the call of this name; unknown names (a kernel newer than the table)
/// are nothing.
pub fn class(name: &str) -> Option<Class> {
    // Asked at every stop of every traced thread.
    static CLASSES: LazyLock<HashMap<&str, Class>> = LazyLock::new(|| {
        let harmless = HARMLESS.iter().map(|name| (*name, Harmless));
        harmless.chain(CALLS.iter().copied()).collect()
    });
    CLASSES.get(name).copied()
}

#[cfg(test)]
mod tests;
