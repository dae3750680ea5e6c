#include "probe/system_calls.hpp"

#include <sys/syscall.h>

#include <array>

namespace probe {

const SystemCall* system_call(long number) {
  static constexpr std::array known{
      SystemCall{SYS_read, "read", true},
      SystemCall{SYS_write, "write", true},
      SystemCall{SYS_readv, "readv", true},
      SystemCall{SYS_writev, "writev", true},
      SystemCall{SYS_pread64, "pread64", true},
      SystemCall{SYS_pwrite64, "pwrite64", true},
      SystemCall{SYS_recvfrom, "recvfrom", true},
      SystemCall{SYS_recvmsg, "recvmsg", true},
      SystemCall{SYS_sendto, "sendto", true},
      SystemCall{SYS_sendmsg, "sendmsg", true},
      SystemCall{SYS_sendfile, "sendfile", true},
      SystemCall{SYS_connect, "connect", true},
      SystemCall{SYS_accept, "accept", true, true},
      SystemCall{SYS_accept4, "accept4", true, true},
      SystemCall{SYS_fsync, "fsync", true},
      SystemCall{SYS_fdatasync, "fdatasync", true},
      SystemCall{SYS_flock, "flock", true},
      SystemCall{SYS_fcntl, "fcntl", true},
      SystemCall{SYS_openat, "openat"},
      SystemCall{SYS_futex, "futex"},
      SystemCall{SYS_nanosleep, "nanosleep"},
      SystemCall{SYS_clock_nanosleep, "clock_nanosleep"},
      SystemCall{SYS_clone, "clone"},
      SystemCall{SYS_clone3, "clone3"},
      SystemCall{SYS_wait4, "wait4"},
      SystemCall{SYS_waitid, "waitid"},
      SystemCall{SYS_ppoll, "ppoll", false, true},
      SystemCall{SYS_pselect6, "pselect6", false, true},
      SystemCall{SYS_epoll_pwait, "epoll_pwait", true, true},
#ifdef SYS_poll  // x86 has the older names beside these; arm64 never had them
      SystemCall{SYS_poll, "poll", false, true},
      SystemCall{SYS_select, "select", false, true},
      SystemCall{SYS_epoll_wait, "epoll_wait", true, true},
#endif
      // Those that make descriptors.
      SystemCall{SYS_openat2, "openat2"},
      SystemCall{SYS_socket, "socket"},
      SystemCall{SYS_socketpair, "socketpair"},
      SystemCall{SYS_pipe2, "pipe2"},
      SystemCall{SYS_dup, "dup", true},
      SystemCall{SYS_dup3, "dup3", true},
      SystemCall{SYS_epoll_create1, "epoll_create1"},
      SystemCall{SYS_eventfd2, "eventfd2"},
      SystemCall{SYS_signalfd4, "signalfd4"},
      SystemCall{SYS_timerfd_create, "timerfd_create"},
      SystemCall{SYS_inotify_init1, "inotify_init1"},
      SystemCall{SYS_fanotify_init, "fanotify_init"},
      SystemCall{SYS_memfd_create, "memfd_create"},
      SystemCall{SYS_pidfd_open, "pidfd_open"},
#ifdef SYS_open
      SystemCall{SYS_open, "open"},
      SystemCall{SYS_vfork, "vfork"},
      SystemCall{SYS_creat, "creat"},
      SystemCall{SYS_pipe, "pipe"},
      SystemCall{SYS_dup2, "dup2", true},
      SystemCall{SYS_epoll_create, "epoll_create"},
      SystemCall{SYS_inotify_init, "inotify_init"},
#endif
      SystemCall{SYS_munmap, "munmap"},
      SystemCall{SYS_madvise, "madvise"},
      SystemCall{SYS_rt_sigtimedwait, "rt_sigtimedwait"},
      SystemCall{SYS_rt_sigsuspend, "rt_sigsuspend"},
      SystemCall{SYS_semop, "semop"},
      SystemCall{SYS_semtimedop, "semtimedop"},
      SystemCall{SYS_msgrcv, "msgrcv"},
      SystemCall{SYS_restart_syscall, "restart_syscall"},
  };
  for (const auto& one : known)
    if (one.number == number) return &one;
  return nullptr;
}

}  // namespace probe
