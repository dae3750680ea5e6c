/* How a thread's stack is read where it stands, in the thread's own context: its Python frames, registers and the top of its native stack, put into
 * `ring` in the records of stacks.event.h. What the objects of dying and of running threads share; STACK_RING is set before it is included.
 * clang 14: no signed division; and a mask that it can prove needless it removes, which the verifier cannot, hence bounded(). */
#ifndef TRIAGE_WALK_BPF_H
#define TRIAGE_WALK_BPF_H

#include "words.bpf.h"
#include "stacks.event.h"

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_RINGBUF = 27 };
enum { BPF_ANY = 0, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "lead.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp; };
struct thread_struct { unsigned long fsbase; };
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs { u64 regs[31]; u64 orig_x0; s32 syscallno; };
struct thread_struct { u64 fault_address; };
#endif
struct task_struct { int pid, tgid; struct task_struct *real_parent, *group_leader; u64 start_boottime; struct thread_struct thread; struct files_struct *files; };
#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, STACK_RING);
} ring SEC(".maps");

#define BYTES 4096
struct scratch {
  struct stack_python python;
  u64 interp, tstate, frame, thread, native;
  u32 frames, flags;
  struct {
    struct stack_frame head;
    u8 bytes[BYTES];
  } record;
  struct {
    struct stack_part head;
    u8 bytes[STACK_PART];
  } part;
  struct stack_end end;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct scratch);
} scratch SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, stack_lost_rows);
  __type(key, u32);
  __type(value, u64);
} lost SEC(".maps");

static __always_inline void count_lost(u32 row) {
  u64 *value = bpf_map_lookup_elem(&lost, &row);
  if (value) *value += 1;
}

static __always_inline struct scratch *mine(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

/* n & mask, in a way that the compiler leaves alone. */
#define bounded(n, mask) ({ u64 of_ = (n); asm volatile("%0 &= %1" : "+r"(of_) : "i"(mask)); of_; })

static __always_inline int word_at(u64 address, u64 *into) { return bpf_probe_read_user(into, sizeof(*into), (void *)address) == 0; }

/* The frame that a thread's state leads to; 0 for a thread that runs no Python code. */
static __always_inline u64 frame_of(struct scratch *s, u64 tstate) {
  u64 frame = 0;
  if (!word_at(tstate + s->python.tstate_frame, &frame)) return 0;
  if (s->python.cframe_frame != STACK_NONE && frame && !word_at(frame + s->python.cframe_frame, &frame)) return 0;
  return frame;
}

/* One thread's state, of one interpreter after the other. */
static long look_for_thread(u32 index, void *context) {
  struct scratch *s = mine();
  if (!s) return 1;
  if (!s->tstate) {
    if (!word_at(s->interp + s->python.interp_next, &s->interp) || !s->interp) return 1;
    if (!word_at(s->interp + s->python.interp_threads, &s->tstate)) return 1;
    return 0;
  }
  u64 thread = 0;
  if (!word_at(s->tstate + s->python.tstate_thread, &thread)) return 1;
  if (thread == s->thread) {
    s->flags |= stack_found;
    s->frame = frame_of(s, s->tstate);
    if (s->frame) return 1; /* else it has another state, of an interpreter that it is in */
  }
  if (!word_at(s->tstate + s->python.tstate_next, &s->tstate)) return 1;
  return 0;
}

/* A str's bytes to record.bytes[at]: how many; kind as in stack_frame. */
static __always_inline u32 copy_text(struct scratch *s, u32 at, u64 text, u32 most, int last, u8 *kind) {
  u64 length = 0;
  u32 state = 0;
  *kind = 0;
  if (!text || !word_at(text + s->python.text_length, &length) || bpf_probe_read_user(&state, sizeof(state), (void *)(text + s->python.text_state))) return 0;
  if (!(state & 32) || length > 1 << 20) return 0; /* not compact: no interpreter makes names so */
  u64 from = text + s->python.text_ascii;
  if (!(state & 64)) {
    *kind = state >> 2 & 7;
    from = text + s->python.text_compact;
  }
  u64 bytes = *kind ? length * *kind : length;
  if (bytes > most) {
    if (last) from += bytes - most;
    bytes = most;
  }
  u64 size = bounded(bytes, 511), to = bounded(at, 511);
  if (bpf_probe_read_user(&s->record.bytes[to], size, (void *)from)) return 0;
  return (u32)size;
}

static long look_at_frame(u32 index, void *context) {
  struct scratch *s = mine();
  if (!s || !s->frame) return 1;
  u64 frame = s->frame, code = 0;
  if (!word_at(frame + s->python.frame_previous, &s->frame)) goto failed;
  if (s->python.frame_owner != STACK_NONE) {
    u8 owner = 0;
    if (bpf_probe_read_user(&owner, sizeof(owner), (void *)(frame + s->python.frame_owner))) goto failed;
    if (owner >= s->python.shim_owner) return 0;
  }
  if (!word_at(frame + s->python.frame_code, &code)) goto failed;
  code &= ~3ULL; /* 3.14: a tagged reference */
  struct stack_frame *head = &s->record.head;
  head->code = code;
  head->index = s->frames;
  head->instr = 0;
  head->table_size = 0;
  head->table_bytes = 0;
  if (s->python.instr_pointer) {
    u64 at = 0;
    if (!word_at(frame + s->python.frame_instr, &at)) goto failed;
    head->instr = (s32)(at - (code + s->python.code_code));
  } else if (bpf_probe_read_user(&head->instr, sizeof(head->instr), (void *)(frame + s->python.frame_instr))) {
    goto failed;
  }
  u64 file = 0, name = 0, table = 0, size = 0;
  if (bpf_probe_read_user(&head->first, sizeof(head->first), (void *)(code + s->python.code_first))) goto failed;
  if (!word_at(code + s->python.code_file, &file) || !word_at(code + s->python.code_name, &name) || !word_at(code + s->python.code_table, &table)) goto failed;
  u32 at = copy_text(s, 0, file, STACK_FILE - 4, 1, &head->file_kind);
  head->file_bytes = (u16)at;
  u32 named = copy_text(s, at, name, STACK_NAME, 0, &head->name_kind);
  head->name_bytes = (u16)named;
  at += named;
  if (word_at(table + s->python.bytes_size, &size) && size < 1 << 24) {
    head->table_size = (u32)size;
    u64 part = size > STACK_TABLE ? STACK_TABLE : size;
    part = bounded(part, 4095);
    if (part > STACK_TABLE) part = STACK_TABLE;
    u64 to = bounded(at, 511);
    if (bpf_probe_read_user(&s->record.bytes[to], part, (void *)(table + s->python.bytes_value)) == 0) {
      head->table_bytes = (u16)part;
      at += (u32)part;
    }
  }
  u64 whole = bounded(at, 4095);
  if (bpf_ringbuf_output(&ring, &s->record, sizeof(struct stack_frame) + whole, BPF_RB_NO_WAKEUP)) {
    count_lost(stack_lost_ring);
    s->flags |= stack_dropped;
  }
  s->frames++;
  return 0;
failed:
  s->flags |= stack_failed;
  s->frame = 0;
  return 1;
}

static __always_inline void walk(struct scratch *s, struct task_struct *task) {
#if defined(__TARGET_ARCH_x86)
  s->thread = BPF_CORE_READ(task, thread.fsbase); /* pthread_self(): written at the thread's start, and never again */
#else
  s->thread = 0; /* the loader refuses: where arm64 keeps it was not measured */
#endif
  s->frame = 0;
  if (!s->thread || !word_at(s->python.interpreters, &s->interp) || !s->interp || !word_at(s->interp + s->python.interp_threads, &s->tstate)) {
    s->flags |= stack_failed;
    return;
  }
  bpf_loop(STACK_THREADS, look_for_thread, 0, 0);
  if (!s->frame) return;
  u64 gil = s->python.gil, holder = 0;
  u32 locked = 0;
  if (!gil) word_at(s->interp + s->python.interp_gil, &gil);
  if (gil && !bpf_probe_read_user(&locked, sizeof(locked), (void *)(gil + s->python.gil_locked)) && locked == 1 && word_at(gil + s->python.gil_holder, &holder) && holder == s->tstate) s->flags |= stack_gil;
  bpf_loop(STACK_FRAMES, look_at_frame, 0, 0);
  if (s->frame) s->flags |= stack_more;
}

/* From one page's end to the next. The first that is not there ends it: outwards of the stack stands another mapping, or none. */
static long copy_part(u32 index, void *context) {
  struct scratch *s = mine();
  if (!s) return 1;
  u64 from = s->native;
  u64 size = STACK_PART - bounded(from, STACK_PART - 1);
  size = bounded(size, 2 * STACK_PART - 1);
  if (size > STACK_PART) return 1;
  if (bpf_probe_read_user(s->part.bytes, size, (void *)from)) return 1;
  s->part.head.address = from;
  s->part.head.bytes = (u32)size;
  if (bpf_ringbuf_output(&ring, &s->part, sizeof(struct stack_part) + size, BPF_RB_NO_WAKEUP)) {
    count_lost(stack_lost_ring);
    s->flags |= stack_cut;
    return 1;
  }
  s->native = from + size;
  return 0;
}

#if defined(__TARGET_ARCH_x86)
static __always_inline void registers_of(struct pt_regs *regs, u64 *into) {
  into[0] = BPF_CORE_READ(regs, ax);
  into[1] = BPF_CORE_READ(regs, dx);
  into[2] = BPF_CORE_READ(regs, cx);
  into[3] = BPF_CORE_READ(regs, bx);
  into[4] = BPF_CORE_READ(regs, si);
  into[5] = BPF_CORE_READ(regs, di);
  into[6] = BPF_CORE_READ(regs, bp);
  into[7] = BPF_CORE_READ(regs, sp);
  into[8] = BPF_CORE_READ(regs, r8);
  into[9] = BPF_CORE_READ(regs, r9);
  into[10] = BPF_CORE_READ(regs, r10);
  into[11] = BPF_CORE_READ(regs, r11);
  into[12] = BPF_CORE_READ(regs, r12);
  into[13] = BPF_CORE_READ(regs, r13);
  into[14] = BPF_CORE_READ(regs, r14);
  into[15] = BPF_CORE_READ(regs, r15);
  into[16] = BPF_CORE_READ(regs, ip);
}
#endif

static __always_inline void copy_native(struct scratch *s, int first) {
#if defined(__TARGET_ARCH_x86)
  struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
  registers_of(regs, s->end.registers);
  s->native = s->end.registers[7];
  bpf_loop(first ? STACK_PARTS : STACK_PARTS_OTHER, copy_part, 0, 0);
#endif
}

#endif
