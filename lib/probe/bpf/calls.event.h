/* What the BPF program of calls.bpf.c puts into its ring and keeps in its table. Shared by the kernel side (C) and the reader (C++), so plain
 * fixed-width members only, widest first, without padding. */
#ifndef TRIAGE_CALLS_EVENT_H
#define TRIAGE_CALLS_EVENT_H

enum call_event_type {
  call_event_refused = 1, /* the first call of its kind that got EMFILE or ENFILE; the table counts the others */
  call_event_used = 2,    /* bytes went through a socket that is asked about */
};

struct call_event {
  unsigned long long at;    /* CLOCK_BOOTTIME, ns: the end of the call */
  unsigned long long inode; /* used: of the socket */
  unsigned int type;
  unsigned int tgid; /* initial namespace */
  unsigned int call; /* its number; CALL_OF_OTHER_ABI */
  unsigned int way;  /* used: CALL_READS or CALL_WRITES; refused: the error */
};

/* A row of the table: who was refused what. */
struct call_refused {
  unsigned int tgid, call;
  int error; /* 24 EMFILE, 23 ENFILE */
};
struct call_refusals { unsigned long long count, first, last; };

/* A 32-bit program has numbers of its own, which are not translated. */
#define CALL_OF_OTHER_ABI 0xffffffffU

/* What a call does with its first argument, a descriptor: bits of a byte by its number, filled in by the loader. */
#define CALLS 512
#define CALL_READS 1
#define CALL_WRITES 2
#define CALL_FLAGS_4TH 4 /* its MSG_ flags are the fourth argument */
#define CALL_FLAGS_3RD 8

/* Rows of the per-CPU counters. */
enum call_lost { call_lost_ring = 0, call_lost_table = 1, call_lost_rows = 2 };

#endif
