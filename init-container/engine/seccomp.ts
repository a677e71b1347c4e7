import type { Arch } from '../../src/shared/oci/types.ts';
import type { OciSeccomp, OciSyscallRule } from './oci-spec.ts';

/**
 * The default system call filter. It allows what Docker's default profile allows (moby/profiles, seccomp, of 2026), so
 * that what runs under Docker runs here; everything else fails with EPERM. One difference: the calls of 32-bit programs
 * are not allowed, because images are of the device's own architecture, and the filter is a third of the size. Names that
 * an architecture does not have are skipped by the runtime.
 */

/** Allowed to everyone, by what they are about. */
const allowed = [
  // Files and folders: by name.
  'access chdir chmod chown creat faccessat faccessat2 fchmodat fchmodat2 fchownat futimesat getcwd lchown link',
  'linkat lstat mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 readlink readlinkat',
  'rename renameat renameat2 rmdir stat statfs statx symlink symlinkat truncate umask unlink unlinkat utime',
  'utimensat utimes listmount statmount',
  // Open files.
  'close close_range copy_file_range dup dup2 dup3 fadvise64 fallocate fchdir fchmod fchown fcntl fdatasync flock',
  'fstat fstatfs fsync ftruncate getdents getdents64 ioctl lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2',
  'read readahead readv sendfile splice sync sync_file_range syncfs tee vmsplice write writev cachestat pipe pipe2',
  'memfd_create memfd_secret',
  // Extended attributes.
  'fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr',
  'lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat',
  // Waiting for things.
  'epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 poll ppoll pselect6',
  'select fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy',
  'io_getevents io_pgetevents io_setup io_submit signalfd signalfd4',
  // Memory.
  'brk madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock',
  'munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages',
  // Processes and threads.
  'execve execveat exit exit_group fork vfork getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid',
  'gettid ioprio_get ioprio_set kill pause pidfd_open pidfd_send_signal prctl prlimit64 ptrace process_vm_readv',
  'process_vm_writev restart_syscall seccomp set_tid_address setpgid setpriority setrlimit setsid tgkill times tkill',
  'uname wait4 waitid get_robust_list set_robust_list get_thread_area set_thread_area rseq landlock_add_rule',
  'landlock_create_ruleset landlock_restrict_self uretprobe futex futex_waitv futex_wait futex_wake futex_requeue',
  // Scheduling.
  'getcpu sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min',
  'sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler',
  'sched_yield sysinfo',
  // Users, groups, capabilities.
  'capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid setgroups',
  'setregid setresgid setresuid setreuid setuid',
  // Signals.
  'rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait',
  'rt_tgsigqueueinfo sigaltstack',
  // Time. Setting the clock needs a capability besides.
  'adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep',
  'setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create',
  'timerfd_gettime timerfd_settime getrandom',
  // Sockets.
  'accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg',
  'sendto setsockopt shutdown socketpair',
  // Messages and memory between processes.
  'mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl semget',
  'semop semtimedop shmat shmctl shmdt shmget',
];

const allowedOn: Record<Arch, string> = { amd64: 'arch_prctl modify_ldt', arm64: '' };

/** Allowed to those that have the capability: the kernel would refuse the others, but by code that has had holes. */
const allowedWith: Record<string, string> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: [
    'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules',
    'lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname',
    'sethostname setns syslog umount2 unshare',
  ].join(' '),
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday clock_settime',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/** Flags of clone(2) that make namespaces (CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET). */
const cloneNamespaceFlags = 0x7e020000;

/** personality(2): Linux with and without UNAME26 and address randomisation, and the question what it is. */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** Sockets to the hypervisor do not know network namespaces. */
const afVsock = 40;

const enosys = 38;

const architectures: Record<Arch, string> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

/** The filter for a container with these capabilities, as the runtime configuration has it. */
export function seccompFilter(arch: Arch, capabilities: readonly string[]): OciSeccomp {
  const names = new Set(words([...allowed, allowedOn[arch], ...capabilities.map((name) => allowedWith[name] ?? '')]));
  const rules: OciSyscallRule[] = [
    { names: [...names], action: 'SCMP_ACT_ALLOW' },
    allowIf('socket', afVsock, 'SCMP_CMP_NE'),
    ...personalities.map((value) => allowIf('personality', value, 'SCMP_CMP_EQ')),
  ];
  if (!capabilities.includes('CAP_SYS_ADMIN')) {
    rules.push(
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: cloneNamespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      // Its flags are behind a pointer, where no filter can look. C libraries then use clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: enosys },
    );
  }
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: [architectures[arch]],
    syscalls: rules,
  };
}

const allowIf = (name: string, value: number, op: string): OciSyscallRule => ({
  names: [name],
  action: 'SCMP_ACT_ALLOW',
  args: [{ index: 0, value, op }],
});

const words = (lines: string[]) => lines.flatMap((line) => line.split(' ')).filter(Boolean);
