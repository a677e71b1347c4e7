/** The few libc calls Node has no words for. */
export interface Libc {
  posixOpenpt(flags: number): number;
  grantpt(fd: number): number;
  unlockpt(fd: number): number;
  /** ptsname_r: 0, or an errno. */
  ptsname(fd: number, buffer: Buffer, length: number): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  /** pipe2: puts two file descriptors, each a 32-bit number, into the buffer. */
  pipe2(fds: Buffer, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  recv(fd: number, buffer: Buffer, length: number, flags: number): number | bigint;
  fcntl(fd: number, command: number, argument: number): number;
  /** A system call that libc has no function for, with up to three numbers. */
  syscall(number: number, a: number, b: number, c: number): number;
  /** `fds` is an array of struct pollfd. */
  poll(fds: Buffer, count: number, timeoutMs: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  listen(fd: number, backlog: number): number;
  /** Why the last call failed. */
  errno(): number;
}

let loaded: Promise<Libc> | undefined;

/** Loads koffi and libc, once. Rejects when the init container's image lacks koffi for this architecture. */
export function loadLibc(): Promise<Libc> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  const ioctl = libc.func('int ioctl(int fd, unsigned long request, ...)');
  const fcntl = libc.func('int fcntl(int fd, int command, ...)');
  const syscall = libc.func('long syscall(long number, ...)');
  return {
    posixOpenpt: libc.func('int posix_openpt(int flags)'),
    grantpt: libc.func('int grantpt(int fd)'),
    unlockpt: libc.func('int unlockpt(int fd)'),
    ptsname: libc.func('int ptsname_r(int fd, void *buffer, size_t length)'),
    pipe2: libc.func('int pipe2(void *fds, int flags)'),
    poll: libc.func('int poll(void *fds, unsigned long count, int timeout)'),
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int fd, void *address, unsigned int length)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int option, const void *value, unsigned int length)'),
    listen: libc.func('int listen(int fd, int backlog)'),
    recv: libc.func('long recv(int fd, void *buffer, size_t length, int flags)'),
    fcntl: (fd, command, argument) => fcntl(fd, command, 'int', argument),
    syscall: (number, a, b, c) => Number(syscall(number, 'long', a, 'long', b, 'long', c)),
    errno: () => koffi.errno(),
    ioctl: (fd, request, argument) => ioctl(fd, request, 'void *', argument),
  };
}
