/* What the BPF programs of deaths.bpf.c put into the ring, one struct for every kind of event; fork, exec and exit send its first part only. Shared by the kernel side (C) and the
 * reader (C++), so plain fixed-width members only, widest first, without padding. */
#ifndef TRIAGE_DEATHS_EVENT_H
#define TRIAGE_DEATHS_EVENT_H

enum death_event_type {
  death_event_signal = 1, /* a signal that can end a watched process was generated for it */
  death_event_fork = 2,   /* a watched process made another process (not a thread) */
  death_event_exec = 3,   /* a watched process, or one whose name may be a server's, became another program */
  death_event_exit = 4,   /* the last thread of a watched process ended */
  death_event_oom = 5,    /* the OOM killer marked a victim, watched or not */
};

/* How the kernel was told to send a signal: the siginfo argument of signal_generate (include/linux/sched/signal.h). */
enum death_sent_by {
  death_sent_real = 0,   /* a siginfo: by a process, or a fault */
  death_sent_noinfo = 1, /* SEND_SIG_NOINFO: cgroup.kill, parent-death signal */
  death_sent_priv = 2,   /* SEND_SIG_PRIV: the kernel itself: OOM, RLIMIT_CPU, namespace end, terminal */
};

#define DEATH_COMM 16
#define DEATH_EXE 32
#define DEATH_CGROUP 64

struct death_event {
  unsigned long long at;    /* CLOCK_BOOTTIME, ns */
  unsigned long long start; /* of the process the event is about, same clock */
  unsigned long long mm;    /* its address space; only ever compared */
  unsigned int type;
  unsigned int tgid, tid; /* initial namespace */
  unsigned int ns_pid;    /* innermost namespace */
  unsigned int parent;    /* tgid of the real parent */
  int status;             /* exit: wait status */
  char comm[DEATH_COMM];
  /* From here on: signal and oom. */
  int signal, code;     /* signal: number, si_code */
  unsigned int sent_by; /* signal: enum death_sent_by */
  unsigned int outcome; /* signal: 0 delivered 1 ignored 2 already pending 3, 4 queue full (TRACE_SIGNAL_*) */
  unsigned int sender, sender_tid, sender_ns_pid, sender_parent, sender_uid;
  unsigned int sender_exiting;
  char sender_comm[DEATH_COMM];
  char sender_parent_comm[DEATH_COMM];
  char sender_exe[DEATH_EXE];       /* last name of its path */
  char sender_cgroup[DEATH_CGROUP]; /* last name of its cgroup's path */
};

/* Bytes of the part that fork, exec and exit send. */
#define DEATH_OF_ITSELF __builtin_offsetof(struct death_event, signal)

/* Rows of the per-CPU counters. */
enum death_lost { death_lost_ring = 0, death_lost_table = 1, death_lost_rows = 2 };

#endif
