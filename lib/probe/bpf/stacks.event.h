/* What the BPF program of stacks.bpf.c reads an interpreter by, and what it puts into its ring: for every thread that one of the signals of a death
 * is delivered to, its Python frames, innermost first, each a record as long as what is in it, the top of its native stack in parts, and one record
 * that ends the stack. Shared by the kernel side (C) and the reader (C++), so plain fixed-width members only, widest first, without padding. */
#ifndef TRIAGE_STACKS_EVENT_H
#define TRIAGE_STACKS_EVENT_H

#include "lead.event.h"

#define STACK_FRAMES 64      /* innermost ones; what is beyond is only said */
#define STACK_THREADS 1024   /* thread states that are looked through */
#define STACK_FILE 256       /* bytes of a file's name: the last ones */
#define STACK_NAME 128       /* of a function's: the first ones */
#define STACK_TABLE 2048     /* of the line table: the first ones, enough for all but one code object in 500 of the standard library */
#define STACK_PATH 112       /* of what a descriptor leads to */
#define STACK_PART 4096      /* of the native stack in one record, never over the end of a page */
#define STACK_PARTS 17       /* of a process's first thread: 64 KB from any place in a page on; prefork workers have 4 to 10 KB */
#define STACK_PARTS_OTHER 5  /* of each of its others, which all get the SIGKILL */
#define STACK_REGISTERS 17   /* x86-64, as DWARF counts them: rax rdx rcx rbx rsi rdi rbp rsp r8..r15, and the return address (rip) */
#define STACK_NONE 0xffffffffU

/* Where one interpreter keeps its things: an address and offsets, which a master and whoever it forks share. */
struct stack_python {
  unsigned long long interpreters; /* the address that holds the first interpreter */
  unsigned long long gil;          /* the lock's address; 0: interp_gil says where its address stands */
  unsigned int interp_next, interp_threads, interp_gil, gil_locked, gil_holder;
  unsigned int tstate_next, tstate_thread, tstate_frame;
  unsigned int cframe_frame; /* of what tstate_frame leads to (3.11, 3.12); STACK_NONE: it is the frame itself */
  unsigned int frame_previous, frame_code, frame_instr, frame_owner; /* frame_owner: STACK_NONE where frames have none */
  unsigned int shim_owner;    /* from this owner on it is no frame of Python code */
  unsigned int instr_pointer; /* 1: frame_instr is an address in the code; 0: a number */
  unsigned int code_file, code_name, code_first, code_table, code_code;
  unsigned int text_length, text_state, text_ascii, text_compact; /* str */
  unsigned int bytes_size, bytes_value;
};

enum stack_record_type { stack_record_frame = 1, stack_record_end = 2, stack_record_part = 3 };

/* Behind it: the bytes of file, name and table, in this order. */
struct stack_frame {
  unsigned long long at;   /* CLOCK_BOOTTIME, ns, when the walk began: the same for all records of a stack */
  unsigned long long code; /* address of the code object */
  unsigned int type;
  unsigned int tid;
  unsigned int index;
  int first;        /* co_firstlineno */
  int instr;        /* instr_pointer: bytes from the code's beginning (may be negative); else as the frame says it */
  unsigned int table_size; /* all of it */
  unsigned short file_bytes, name_bytes, table_bytes;
  unsigned char file_kind, name_kind; /* bytes a character; 0 ASCII */
};

/* Behind it: `bytes` of the native stack from this address on. The first is at the stack pointer, and each goes on where the last ended. */
struct stack_part {
  unsigned long long at;
  unsigned long long address;
  unsigned int type; /* where a frame has its own */
  unsigned int tid;
  unsigned int bytes;
  unsigned int unused;
};

/* What the thread was in as the signal came, and how its stack was read. */
struct stack_end {
  unsigned long long at;
  unsigned long long start; /* of the process, CLOCK_BOOTTIME */
  unsigned int type;        /* where a frame has its own */
  unsigned int tid;
  unsigned long long took;  /* ns */
  long long call;           /* number of its system call; -1 none */
  unsigned int tgid, signal;
  unsigned int python;      /* the tgid whose interpreter it was read by */
  unsigned int frames;      /* that were put into the ring */
  unsigned int flags;       /* enum stack_flag */
  unsigned int fd;          /* the descriptor that the call is on; STACK_NONE */
  unsigned long long registers[STACK_REGISTERS]; /* as it entered the kernel; all 0: not told */
  struct lead lead;         /* where that descriptor leads */
  char path[STACK_PATH];    /* last name of a file; sun_path of a unix peer, which may begin with 0 */
};

/* What the iterator over tasks says of one thread. */
struct stack_registers {
  unsigned long long registers[STACK_REGISTERS];
  unsigned int tid, unused;
};

enum stack_flag {
  stack_known = 1,    /* an interpreter is known for this process */
  stack_found = 2,    /* this thread is one of its threads */
  stack_failed = 4,   /* memory could not be read: what follows outwards is missing */
  stack_more = 8,     /* there are more frames */
  stack_dropped = 16, /* a frame did not fit into the ring */
  stack_gil = 32,     /* it held the interpreter's lock */
  stack_cut = 64,     /* a part of the native stack did not fit into the ring */
};

/* Rows of the per-CPU counters. */
enum stack_lost { stack_lost_ring = 0, stack_lost_stack = 1, stack_lost_rows = 2 };

#endif
