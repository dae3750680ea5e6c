/* What the BPF programs of requests.bpf.c keep in their tables: the request that came on each accepted connection of a watched process, and for what
 * each of its threads waited since its last request began. Nothing goes through a ring: the reader asks when a process has died. Shared by the kernel
 * side (C) and the reader (C++), so plain fixed-width members only, widest first, without padding. */
#ifndef TRIAGE_REQUESTS_EVENT_H
#define TRIAGE_REQUESTS_EVENT_H

#include "lead.event.h"

#define REQUEST_BYTES 1024 /* of its head: request line, and headers that are chosen from it */
#define REQUEST_WAITS 8    /* calls and descriptors that are told apart */
#define REQUEST_NONE 0xffffffffU

struct request_connection { unsigned int tgid, fd; };

enum request_state {
  request_none = 0,     /* accepted, or answered and kept: nothing has come yet */
  request_came = 1,     /* its first bytes were read, nothing was written */
  request_answered = 2, /* bytes were written since */
};

struct request_row {
  unsigned long long since; /* CLOCK_BOOTTIME, ns: came, answered: the end of the read that brought its first bytes; none: of the accept */
  unsigned long long until; /* when it was closed in a process that was dying by then; 0 it was not */
  unsigned int state;
  unsigned int tid;         /* who read it */
  unsigned int size;        /* of bytes */
  unsigned int bytes_read;  /* by that read */
  struct lead peer;
  unsigned char bytes[REQUEST_BYTES];
};

struct request_wait {
  unsigned long long ns;
  unsigned int call, fd; /* fd: REQUEST_NONE for a call that has none */
  unsigned int count;
  unsigned int unused;
  struct lead lead;
};

/* One a thread. */
struct request_thread {
  unsigned long long switches;  /* voluntary ones at the end of its last call that waited */
  unsigned long long wall, cpu; /* then: CLOCK_BOOTTIME, and time on a processor, ns */
  unsigned long long since;     /* its last request began */
  unsigned int tgid;
  unsigned int more_waits;      /* for which there was no row */
  struct request_wait now;      /* its last wait; count 1: a signal of its death ended it, 0: it was over before */
  struct request_wait waits[REQUEST_WAITS];
};

/* What a call does: bits of a byte by its number, filled in by the loader. */
#define REQUEST_CALLS 512
#define REQUEST_ACCEPTS 1
#define REQUEST_READS 2   /* into the buffer that is the second argument */
#define REQUEST_WRITES 4
#define REQUEST_CLOSES 8
#define REQUEST_ON_FD 16  /* its first argument is a descriptor */
#define REQUEST_GATHERS 32 /* reads, but not into one buffer: the bytes are not told */
#define REQUEST_POLLS 64  /* its first argument is a list of descriptors, told where it has one */

/* Rows of the per-CPU counters. */
enum request_lost { request_lost_connection = 0, request_lost_thread = 1, request_lost_rows = 2 };

#endif
