/* The Python stack of a thread, and the registers and bytes that its native one is unwound from, as the signal of its death is delivered: it still has all of its memory then, which at sched_process_exit is gone
 * on 6.1 and 6.12. A raw tracepoint for the reason that deaths.bpf.c gives. bpf_loop needs 5.17; an older kernel refuses the object, and the death
 * watch, an object of its own, goes on. Nothing is written to the process and nothing waits: a page that is not there is a failed read. */
#define STACK_RING (1 << 24) /* 120 workers of four threads that end together, 17 KB of Python each and 10 KB of the native stack */
#include "walk.bpf.h"

struct bpf_raw_tracepoint_args { u64 args[0]; };

#define SIGKILL 9
#define MARKS 65536
#define ANCESTORS 4 /* a worker's own subprocess forked twice is still told */
#define AGAIN_NS 50000000 /* whoever catches a fault and returns into it is looked at 20 times a second at most */

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

struct { /* by tgid: a master, or a worker that became another program */
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, u32);
  __type(value, struct stack_python);
} pythons SEC(".maps");

struct { /* when a thread was looked at last */
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, u32);
  __type(value, u64);
} recent SEC(".maps");

/* Set by the loader before load. */
const volatile unsigned char watch_all = 0;
const volatile unsigned int marks_at = 0;             /* where the bytes begin in the value of `marks` */
const volatile unsigned long long signals_wanted = 0; /* bit N: signal N */
const volatile long long call_poll = -1, call_ppoll = -1;

/* As in deaths.bpf.c. */
unsigned int woken = 0;

static __always_inline int is_watched(u32 tgid) {
  if (watch_all) return 1;
  u32 zero = 0;
  const u8 *bytes = bpf_map_lookup_elem(&marks, &zero);
  if (!bytes || !bytes[marks_at + (tgid & (MARKS - 1))]) return 0;
  return bpf_map_lookup_elem(&watched, &tgid) != 0;
}

static __always_inline void call_of(struct stack_end *end, struct task_struct *task) {
  end->call = -1;
  end->fd = STACK_NONE;
#if defined(__TARGET_ARCH_x86)
  struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
  end->call = (s64)BPF_CORE_READ(regs, orig_ax); /* -1 when no system call was interrupted */
  u64 first = BPF_CORE_READ(regs, di);
  if (end->call < 0) return;
  if (end->call == call_poll || end->call == call_ppoll) { /* one descriptor: a socket with a timeout in Python */
    u64 polled = 0;
    if (BPF_CORE_READ(regs, si) != 1 || !word_at(first, &polled)) return;
    first = (u32)polled;
  }
  if (first > 1 << 20) return;
  end->fd = (u32)first;
  lead_of(BPF_CORE_READ(task, files), end->fd, &end->lead, end->path);
#endif
}

/* signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka); current is whom it is delivered to */
SEC("raw_tp/signal_deliver")
int signal_deliver(struct bpf_raw_tracepoint_args *ctx) {
  u32 signal = (u32)ctx->args[0];
  if (signal > 63 || !(signals_wanted & (1ULL << signal))) return 0;
  u64 both = bpf_get_current_pid_tgid();
  u32 tgid = (u32)(both >> 32), tid = (u32)both;
  if (!is_watched(tgid)) return 0;
  u64 now = bpf_ktime_get_boot_ns();
  u64 *last = bpf_map_lookup_elem(&recent, &tid);
  if (last && signal != SIGKILL && now - *last < AGAIN_NS) return 0;
  bpf_map_update_elem(&recent, &tid, &now, BPF_ANY);
  struct scratch *s = mine();
  if (!s) return 0;
  struct task_struct *task = (void *)bpf_get_current_task();
  struct stack_python *python = 0;
  u32 whose = 0;
  struct task_struct *of = BPF_CORE_READ(task, group_leader);
#pragma unroll
  for (int i = 0; i < ANCESTORS; i++) {
    u32 key = (u32)BPF_CORE_READ(of, tgid);
    python = bpf_map_lookup_elem(&pythons, &key);
    whose = key;
    if (python) break;
    of = BPF_CORE_READ(of, real_parent, group_leader);
  }
  struct stack_end *end = &s->end;
  __builtin_memset(end, 0, sizeof(*end));
  s->frames = 0;
  s->flags = 0;
  end->at = now;
  end->type = stack_record_end;
  end->tid = tid;
  end->tgid = tgid;
  end->signal = signal;
  end->start = BPF_CORE_READ(task, group_leader, start_boottime);
  call_of(end, task);
  if (python) {
    s->python = *python;
    end->python = whose;
    s->flags = stack_known;
    s->record.head.at = now;
    s->record.head.type = stack_record_frame;
    s->record.head.tid = tid;
    walk(s, task);
  }
  s->part.head.at = now;
  s->part.head.type = stack_record_part;
  s->part.head.tid = tid;
  copy_native(s, tid == tgid);
  end->frames = s->frames;
  end->flags = s->flags;
  end->took = bpf_ktime_get_boot_ns() - now;
  u64 flags = BPF_RB_NO_WAKEUP;
  if (!woken) {
    woken = 1;
    flags = BPF_RB_FORCE_WAKEUP;
  }
  if (bpf_ringbuf_output(&ring, end, sizeof(*end), flags)) count_lost(stack_lost_stack);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
