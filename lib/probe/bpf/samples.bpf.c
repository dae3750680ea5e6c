/* Where the threads of one process stand, without stopping them. One that runs: its stack as a timer of its own interrupts it, so in one piece; a walk
 * from outside meets frames of two moments (in up to 42 of 100 looks). One that waits: the registers that it entered the kernel with. Both for
 * `triage stacks` and a look; loaded when a thread asks for it. bpf_loop needs 5.17. */
#define STACK_RING (1 << 20)
#include "walk.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
#pragma clang attribute pop

struct { /* by tgid: what is sampled; python.interpreters 0: no Python */
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, u32);
  __type(value, struct stack_python);
} pythons SEC(".maps");

/* Set by the loader before each read of registers. */
unsigned int wanted = 0;

SEC("perf_event")
int sample(void *ctx) {
  u64 both = bpf_get_current_pid_tgid();
  u32 tgid = (u32)(both >> 32), tid = (u32)both;
  struct stack_python *python = bpf_map_lookup_elem(&pythons, &tgid);
  struct scratch *s = mine();
  if (!python || !s) return 0;
  struct task_struct *task = (void *)bpf_get_current_task();
  u64 now = bpf_ktime_get_boot_ns();
  struct stack_end *end = &s->end;
  __builtin_memset(end, 0, sizeof(*end));
  s->frames = 0;
  s->flags = 0;
  end->at = now;
  end->type = stack_record_end;
  end->tid = tid;
  end->tgid = tgid;
  end->call = -1;
  end->fd = STACK_NONE;
  if (python->interpreters) {
    s->python = *python;
    end->python = tgid;
    s->flags = stack_known;
    s->record.head.at = now;
    s->record.head.type = stack_record_frame;
    s->record.head.tid = tid;
    walk(s, task);
  }
  s->part.head.at = now;
  s->part.head.type = stack_record_part;
  s->part.head.tid = tid;
  copy_native(s, 1);
  end->frames = s->frames;
  end->flags = s->flags;
  end->took = bpf_ktime_get_boot_ns() - now;
  /* The records before it were put there without a word, and of itself the ring only tells a reader that had them all. */
  if (bpf_ringbuf_output(&ring, end, sizeof(*end), BPF_RB_FORCE_WAKEUP)) count_lost(stack_lost_stack);
  return 0;
}

SEC("iter/task")
int registers(struct bpf_iter__task *ctx) {
#if defined(__TARGET_ARCH_x86)
  struct task_struct *task = ctx->task;
  if (!task || (u32)task->tgid != wanted) return 0;
  struct stack_registers told = {};
  struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)task);
  told.tid = (u32)task->pid;
  registers_of(regs, told.registers);
  bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
#endif
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
