/* The request of each connection and the waits of each thread of watched processes, loaded only for --requests: one raw tracepoint at the end of every
 * call of the machine, none at its start. A wait needs no start: at the end of a call in which the thread gave up the processor (nvcsw went on), the
 * time since its last such call, less what it ran meanwhile (sum_exec_runtime, exact whenever it was just scheduled), is what it waited.
 * The table of a dying process is frozen at the signal: gunicorn's handler of SIGABRT closes the connection before the process ends. */
#include "words.bpf.h"
#include "requests.event.h"

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "lead.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long orig_ax, di, si; };
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs { u64 regs[31]; u64 orig_x0; s32 syscallno; };
#endif
struct sched_entity { u64 sum_exec_runtime; };
struct task_struct { struct sched_entity se; unsigned long nvcsw; struct files_struct *files; };
#pragma clang attribute pop

struct bpf_raw_tracepoint_args { u64 args[0]; };

#define MARKS 65536
#define INTERRUPTED_NS 5000000 /* from the end of the call to the signal that ended it: nothing of the program runs between */
#define FROZEN_NS 10000000000ULL /* from a signal of death to the end; who lives on then goes on as before */

/* These two are deaths.bpf.c's own, put here by the loader: who is watched. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, u32);
  __type(value, u64);
} watched SEC(".maps");
struct marks { u8 byte[MARKS]; };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct marks);
} marks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct request_connection);
  __type(value, struct request_row);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, u32);
  __type(value, struct request_thread);
} threads SEC(".maps");

struct { /* by tgid: when its last signal of death came */
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, u32);
  __type(value, u64);
} frozen SEC(".maps");

struct fresh { struct request_row row; struct request_thread thread; };
struct { /* rows are too large for the stack */
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct fresh);
} fresh SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, request_lost_rows);
  __type(key, u32);
  __type(value, u64);
} lost SEC(".maps");

/* Set by the loader before load. */
const volatile unsigned char does[REQUEST_CALLS] = {};
const volatile unsigned int marks_at = 0;             /* where the bytes begin in the value of `marks` */
const volatile unsigned long long signals_wanted = 0; /* bit N: signal N */

unsigned long long last_frozen = 0; /* most calls need not ask the table */

static __always_inline void count_lost(u32 row) {
  u64 *value = bpf_map_lookup_elem(&lost, &row);
  if (value) *value += 1;
}

static __always_inline int is_watched(u32 tgid) {
  u32 zero = 0;
  const u8 *bytes = bpf_map_lookup_elem(&marks, &zero);
  if (!bytes || !bytes[marks_at + (tgid & (MARKS - 1))]) return 0;
  return bpf_map_lookup_elem(&watched, &tgid) != 0;
}

static __always_inline int is_frozen(u32 tgid, u64 now) {
  if (!last_frozen || now - last_frozen > FROZEN_NS) return 0;
  u64 *when = bpf_map_lookup_elem(&frozen, &tgid);
  return when && now - *when < FROZEN_NS;
}

#if defined(__TARGET_ARCH_x86)
static __always_inline u32 number_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, orig_ax); }
static __always_inline u64 first_of(struct pt_regs *regs) { return BPF_CORE_READ(regs, di); }
static __always_inline u64 second_of(struct pt_regs *regs) { return BPF_CORE_READ(regs, si); }
#elif defined(__TARGET_ARCH_arm64)
static __always_inline u32 number_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, syscallno); }
static __always_inline u64 first_of(struct pt_regs *regs) { return BPF_CORE_READ(regs, orig_x0); }
static __always_inline u64 second_of(struct pt_regs *regs) { return BPF_CORE_READ(regs, regs[1]); }
#endif

/* The descriptor that a call is on. */
static __always_inline u32 fd_of(struct pt_regs *regs, u8 what) {
  u64 first = first_of(regs);
  if (what & REQUEST_ON_FD) return (u32)first;
  u64 polled = 0;
  if (!(what & REQUEST_POLLS) || second_of(regs) != 1 || bpf_probe_read_user(&polled, sizeof(polled), (void *)first)) return REQUEST_NONE;
  return (u32)polled;
}

/* What the thread waited since its last call that did; 0 when clocks disagree. */
static __always_inline u64 waited(struct request_thread *thread, u64 now, u64 cpu) {
  u64 wall = now - thread->wall, ran = cpu - thread->cpu;
  return wall > ran && now > thread->wall && cpu >= thread->cpu ? wall - ran : 0;
}

static __always_inline void add_wait(struct request_thread *thread, u32 call, u32 fd, u64 ns, struct files_struct *open) {
#pragma unroll
  for (int i = 0; i < REQUEST_WAITS; i++) {
    struct request_wait *wait = &thread->waits[i];
    if (wait->count && (wait->call != call || wait->fd != fd)) continue;
    if (!wait->count) {
      wait->call = call;
      wait->fd = fd;
      wait->ns = 0;
      __builtin_memset(&wait->lead, 0, sizeof(wait->lead));
      if (fd != REQUEST_NONE) lead_of(open, fd, &wait->lead, 0);
    }
    wait->ns += ns;
    wait->count++;
    return;
  }
  thread->more_waits++;
}

static __always_inline struct request_thread *thread_of(u32 tid, u32 tgid, struct task_struct *task, u64 now) {
  struct request_thread *thread = bpf_map_lookup_elem(&threads, &tid);
  if (thread && thread->tgid == tgid) return thread;
  u32 zero = 0;
  struct fresh *made = bpf_map_lookup_elem(&fresh, &zero);
  if (!made) return 0;
  __builtin_memset(&made->thread, 0, sizeof(made->thread));
  made->thread.tgid = tgid;
  made->thread.wall = now;
  made->thread.cpu = BPF_CORE_READ(task, se.sum_exec_runtime);
  made->thread.switches = BPF_CORE_READ(task, nvcsw);
  if (bpf_map_update_elem(&threads, &tid, &made->thread, BPF_ANY)) {
    count_lost(request_lost_thread);
    return 0;
  }
  return bpf_map_lookup_elem(&threads, &tid);
}

static __always_inline void begin(struct request_row *row, struct request_thread *thread, struct pt_regs *regs, u8 what, u32 tid, u64 now, u32 size) {
  row->state = request_came;
  row->since = now;
  row->tid = tid;
  row->bytes_read = size;
  row->size = 0;
  if (what & REQUEST_READS) {
    u64 part = size > REQUEST_BYTES ? REQUEST_BYTES : size;
    asm volatile("%0 &= 2047" : "+r"(part));
    if (part > REQUEST_BYTES) part = REQUEST_BYTES;
    if (bpf_probe_read_user(row->bytes, part, (void *)second_of(regs)) == 0) row->size = (u32)part;
  }
  if (!thread) return;
  thread->since = now;
  thread->more_waits = 0;
  thread->now.ns = 0;
  thread->now.count = 0;
#pragma unroll
  for (int i = 0; i < REQUEST_WAITS; i++) thread->waits[i].count = 0;
}

/* A binary protocol's head is read in pieces (FastCGI: 8 bytes of a record, then the rest); a head in letters comes whole, and then its body, which is
 * nobody's business. */
static __always_inline void go_on(struct request_row *row, struct pt_regs *regs, u64 size) {
  u64 at = row->size;
  if (!at || at >= REQUEST_BYTES / 2 || row->bytes[0] >= 'A') return;
  if (size > REQUEST_BYTES / 2 - 1) size = REQUEST_BYTES / 2 - 1;
  asm volatile("%0 &= 511" : "+r"(at));
  asm volatile("%0 &= 511" : "+r"(size));
  if (bpf_probe_read_user(&row->bytes[at], size, (void *)second_of(regs)) == 0) row->size = (u32)(at + size);
}

/* sys_exit(struct pt_regs *regs, long ret) */
SEC("raw_tp/sys_exit")
int sys_exit(struct bpf_raw_tracepoint_args *ctx) {
  u64 both = bpf_get_current_pid_tgid();
  u32 tgid = (u32)(both >> 32), tid = (u32)both;
  if (!is_watched(tgid)) return 0;
  s64 result = (s64)ctx->args[1];
  struct pt_regs *regs = (void *)ctx->args[0];
  struct task_struct *task = (void *)bpf_get_current_task();
  u32 call = number_of(regs);
  u8 what = call < REQUEST_CALLS ? does[call & (REQUEST_CALLS - 1)] : 0;
  u64 now = bpf_ktime_get_boot_ns();
  struct request_thread *thread = thread_of(tid, tgid, task, now);
  if (thread) {
    u64 switches = BPF_CORE_READ(task, nvcsw);
    if (switches != thread->switches) {
      u64 cpu = BPF_CORE_READ(task, se.sum_exec_runtime);
      u64 ns = waited(thread, now, cpu);
      u32 fd = fd_of(regs, what);
      if (thread->since) add_wait(thread, call, fd, ns, BPF_CORE_READ(task, files));
      thread->now.ns = ns;
      thread->now.call = call;
      thread->now.fd = fd;
      thread->now.count = 0;
      thread->switches = switches;
      thread->wall = now;
      thread->cpu = cpu;
    }
  }
  if (!(what & (REQUEST_ACCEPTS | REQUEST_READS | REQUEST_GATHERS | REQUEST_WRITES | REQUEST_CLOSES))) return 0;
  if (what & REQUEST_ACCEPTS) {
    if (result < 0) return 0;
    struct request_connection key = {tgid, (u32)result};
    u32 zero = 0;
    struct fresh *made = bpf_map_lookup_elem(&fresh, &zero);
    if (!made) return 0;
    made->row.since = now;
    made->row.until = 0;
    made->row.state = request_none;
    made->row.tid = tid;
    made->row.size = 0;
    made->row.bytes_read = 0;
    __builtin_memset(&made->row.peer, 0, sizeof(made->row.peer));
    lead_of(BPF_CORE_READ(task, files), key.fd, &made->row.peer, 0);
    if (bpf_map_update_elem(&connections, &key, &made->row, BPF_ANY)) count_lost(request_lost_connection);
    return 0;
  }
  struct request_connection key = {tgid, (u32)first_of(regs)};
  struct request_row *row = bpf_map_lookup_elem(&connections, &key);
  if (!row) return 0;
  if (is_frozen(tgid, now)) {
    if ((what & REQUEST_CLOSES) && !row->until) row->until = now;
    return 0;
  }
  if (what & REQUEST_CLOSES) {
    bpf_map_delete_elem(&connections, &key);
    return 0;
  }
  if (result <= 0) return 0;
  if (what & REQUEST_WRITES) {
    if (row->state == request_came) row->state = request_answered;
  } else if (row->state != request_came) {
    begin(row, thread, regs, what, tid, now, (u32)result);
  } else if (what & REQUEST_READS) {
    go_on(row, regs, (u64)result);
  }
  return 0;
}

/* signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka); current is whom it is delivered to */
SEC("raw_tp/signal_deliver")
int request_signal(struct bpf_raw_tracepoint_args *ctx) {
  u32 signal = (u32)ctx->args[0];
  if (signal > 63 || !(signals_wanted & (1ULL << signal))) return 0;
  u64 both = bpf_get_current_pid_tgid();
  u32 tgid = (u32)(both >> 32), tid = (u32)both;
  if (!is_watched(tgid)) return 0;
  u64 now = bpf_ktime_get_boot_ns();
  bpf_map_update_elem(&frozen, &tgid, &now, BPF_ANY);
  last_frozen = now;
  struct request_thread *thread = bpf_map_lookup_elem(&threads, &tid);
  if (!thread || thread->tgid != tgid || thread->now.count) return 0; /* at the SIGKILL after a SIGABRT it only ends */
  /* The call that the signal interrupted has come to its end just before: sys_exit has told its wait. */
  if (!thread->now.ns || now - thread->wall > INTERRUPTED_NS) return 0;
  thread->now.count = 1;
  __builtin_memset(&thread->now.lead, 0, sizeof(thread->now.lead));
  struct task_struct *task = (void *)bpf_get_current_task();
  if (thread->now.fd != REQUEST_NONE) lead_of(BPF_CORE_READ(task, files), thread->now.fd, &thread->now.lead, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
