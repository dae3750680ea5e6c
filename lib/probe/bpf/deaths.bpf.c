/* Who was sent what by whom, and how it ended: raw tracepoints only, for tp_btf prunes the SEND_SIG_NOINFO branch of signal_generate on 6.12 and
 * 6.18 and is refused on 7.2 (facts measured on 5.10, 6.1, 6.12, 6.18, 7.2). The structs below hold the members that are read and nothing else;
 * CO-RE moves the offsets. For a process that is not watched nothing is done beyond one byte's look, so that a busy machine does not notice. */
#include "deaths.event.h"

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
/* bpf_helper_defs.h wants these names. */
typedef unsigned char __u8;
typedef unsigned short __u16, __be16, __sum16;
typedef short __s16;
typedef unsigned int __u32, __be32, __wsum;
typedef int __s32;
typedef unsigned long long __u64, __be64;
typedef long long __s64;

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_RINGBUF = 27 };
enum { BPF_ANY = 0, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct upid { int nr; void *ns; }; /* whole: it is an array's element */
struct pid { u32 level; struct upid numbers[1]; };
struct qstr { const unsigned char *name; };
struct dentry { struct qstr d_name; };
struct path { struct dentry *dentry; };
struct file { struct path f_path; };
struct mm_struct { struct file *exe_file; };
struct kernfs_node { const char *name; };
struct cgroup { struct kernfs_node *kn; };
struct cgroup_subsys_state { struct cgroup *cgroup; };
enum cgroup_subsys_id { memory_cgrp_id = 4 };
struct css_set { struct cgroup_subsys_state *subsys[1]; struct cgroup *dfl_cgrp; };
typedef struct { int counter; } atomic_t;
struct signal_struct { atomic_t live; int group_exit_code; u32 flags; struct mm_struct *oom_mm; };
struct task_struct {
  u32 flags;
  struct mm_struct *mm;
  int exit_code;
  int pid, tgid;
  struct task_struct *real_parent, *group_leader;
  struct pid *thread_pid;
  u64 start_boottime;
  char comm[16];
  struct signal_struct *signal;
  struct css_set *cgroups;
};
struct kernel_siginfo { int si_signo, si_errno, si_code; };
#pragma clang attribute pop

struct bpf_raw_tracepoint_args { u64 args[0]; };

#define PF_EXITING 0x4
#define SIGNAL_GROUP_EXIT 0x4 /* signal->flags: group_exit_code holds */

struct { /* tgids that are watched: masters, and whatever they fork */
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192); /* made in advance, an element costs a start 30 ns */
  __type(key, u32);
  __type(value, u64); /* start_boottime; 0 when user space put it there */
} watched SEC(".maps");

/* Asked before the table: a byte for the low bits of every tgid, 1 where a watched one may be. An array needs no call, a hash does. Where
 * pid_max is no larger than this (the loader looks) bytes are cleared at the end; else the other tgid with these bits may still be watched,
 * and the byte stays. Bytes, not bits: two processors may write at once. */
#define MARKS 65536
unsigned char mark[MARKS] = {};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20); /* 14,000 ends, or 4,300 signals */
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, death_lost_rows);
  __type(key, u32);
  __type(value, u64);
} lost SEC(".maps");

/* Set by the loader before load; plain types, for the skeleton copies them. */
const volatile unsigned char watch_all = 0;
const volatile unsigned char marks_are_exact = 0; /* pid_max <= MARKS */
const volatile unsigned long long signals_wanted = 0; /* bit N: signal N */
#define NAMES 16
const volatile unsigned long long name_is[NAMES] = {}, name_mask[NAMES] = {}; /* first 8 bytes of a server program's name; mask 0: unused row */

/* 1 while a wake-up is on its way: the reader clears it before it empties the ring, so that a storm costs one wake-up a pass. */
unsigned int woken = 0;

static __always_inline void count_lost(u32 row) {
  u64 *value = bpf_map_lookup_elem(&lost, &row);
  if (value) *value += 1;
}

/* `size`: all of it, or DEATH_OF_ITSELF. */
static __always_inline struct death_event *reserve(u32 type, u64 size) {
  struct death_event *event = bpf_ringbuf_reserve(&ring, size, 0);
  if (!event) {
    count_lost(death_lost_ring);
    return 0;
  }
  __builtin_memset(event, 0, size);
  event->type = type;
  event->at = bpf_ktime_get_boot_ns();
  return event;
}

static __always_inline void submit(struct death_event *event, int urgent) {
  u64 flags = BPF_RB_NO_WAKEUP;
  if (urgent && !woken) {
    woken = 1;
    flags = BPF_RB_FORCE_WAKEUP;
  }
  bpf_ringbuf_submit(event, flags);
}

static __always_inline int is_watched(u32 tgid) {
  if (watch_all) return 1;
  return mark[tgid & (MARKS - 1)] && bpf_map_lookup_elem(&watched, &tgid) != 0;
}

static __always_inline void watch(u32 tgid, u64 start) {
  if (bpf_map_update_elem(&watched, &tgid, &start, BPF_ANY)) count_lost(death_lost_table);
  mark[tgid & (MARKS - 1)] = 1;
}

static __always_inline u32 inner_pid(struct task_struct *task) {
  struct pid *pid = BPF_CORE_READ(task, thread_pid);
  u32 level = BPF_CORE_READ(pid, level);
  struct upid upid = {};
  if (level > 32) return 0; /* MAX_PID_NS_LEVEL */
  bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
  return (u32)upid.nr;
}

static __always_inline void about(struct death_event *event, struct task_struct *task) {
  struct task_struct *leader = BPF_CORE_READ(task, group_leader);
  event->tgid = (u32)BPF_CORE_READ(task, tgid);
  event->tid = (u32)BPF_CORE_READ(task, pid);
  event->start = BPF_CORE_READ(leader, start_boottime);
  event->mm = (u64)BPF_CORE_READ(task, mm);
  event->ns_pid = inner_pid(leader);
  event->parent = (u32)BPF_CORE_READ(leader, real_parent, tgid);
  BPF_CORE_READ_STR_INTO(&event->comm, leader, comm);
}

static __always_inline void sent_from(struct death_event *event) {
  struct task_struct *current = (void *)bpf_get_current_task();
  u64 id = bpf_get_current_pid_tgid();
  event->sender = id >> 32;
  event->sender_tid = (u32)id;
  event->sender_uid = (u32)bpf_get_current_uid_gid();
  event->sender_exiting = (BPF_CORE_READ(current, flags) & PF_EXITING) != 0;
  event->sender_ns_pid = inner_pid(BPF_CORE_READ(current, group_leader));
  event->sender_parent = (u32)BPF_CORE_READ(current, real_parent, tgid);
  BPF_CORE_READ_STR_INTO(&event->sender_comm, current, group_leader, comm);
  BPF_CORE_READ_STR_INTO(&event->sender_parent_comm, current, real_parent, comm);
  const unsigned char *name = BPF_CORE_READ(current, mm, exe_file, f_path.dentry, d_name.name);
  bpf_probe_read_kernel_str(event->sender_exe, sizeof(event->sender_exe), name);
  /* The unified hierarchy names it, except on a v1 or hybrid host, where everybody sits in its root. */
  struct css_set *groups = BPF_CORE_READ(current, cgroups);
  const char *leaf = BPF_CORE_READ(groups, dfl_cgrp, kn, name);
  bpf_probe_read_kernel_str(event->sender_cgroup, sizeof(event->sender_cgroup), leaf);
  if (event->sender_cgroup[0] == 0 && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
    u32 row = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
    struct cgroup_subsys_state *state = 0;
    if (row < 64) bpf_core_read(&state, sizeof(state), &groups->subsys[row]);
    leaf = BPF_CORE_READ(state, cgroup, kn, name);
    bpf_probe_read_kernel_str(event->sender_cgroup, sizeof(event->sender_cgroup), leaf);
  }
}

/* signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result) */
SEC("raw_tp/signal_generate")
int signal_generate(struct bpf_raw_tracepoint_args *ctx) {
  u32 signal = (u32)ctx->args[0];
  if (signal > 63 || !(signals_wanted & (1ULL << signal))) return 0;
  struct task_struct *task = (void *)ctx->args[2];
  if (!is_watched((u32)BPF_CORE_READ(task, tgid))) return 0;
  struct death_event *event = reserve(death_event_signal, sizeof(*event));
  if (!event) return 0;
  u64 siginfo = ctx->args[1];
  about(event, task);
  event->signal = (s32)signal;
  event->outcome = (u32)ctx->args[4];
  /* 0 SEND_SIG_NOINFO, 1 SEND_SIG_PRIV, 2 SEND_SIG_FORCED (until 4.19) */
  event->sent_by = siginfo == 0 ? death_sent_noinfo : siginfo <= 2 ? death_sent_priv : death_sent_real;
  if (siginfo > 2) event->code = BPF_CORE_READ((struct kernel_siginfo *)siginfo, si_code);
  sent_from(event);
  submit(event, 1);
  return 0;
}

/* sched_process_fork(struct task_struct *parent, struct task_struct *child); parent is current */
SEC("raw_tp/sched_process_fork")
int sched_process_fork(struct bpf_raw_tracepoint_args *ctx) {
  if (!is_watched((u32)(bpf_get_current_pid_tgid() >> 32))) return 0;
  struct task_struct *child = (void *)ctx->args[1];
  u32 tgid = (u32)BPF_CORE_READ(child, tgid);
  if (tgid != (u32)BPF_CORE_READ(child, pid)) return 0; /* a thread */
  watch(tgid, BPF_CORE_READ(child, start_boottime));
  struct death_event *event = reserve(death_event_fork, DEATH_OF_ITSELF);
  if (!event) return 0;
  about(event, child);
  submit(event, 0);
  return 0;
}

static __always_inline int may_be_server(u64 name) {
#pragma unroll
  for (int i = 0; i < NAMES; i++)
    if (name_mask[i] && (name & name_mask[i]) == name_is[i]) return 1;
  return 0;
}

/* sched_process_exec(struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm); task is current */
SEC("raw_tp/sched_process_exec")
int sched_process_exec(struct bpf_raw_tracepoint_args *ctx) {
  u32 tgid = (u32)(bpf_get_current_pid_tgid() >> 32);
  u64 name[2] = {};
  bpf_get_current_comm(name, sizeof(name));
  int server = may_be_server(name[0]);
  if (!server && !is_watched(tgid)) return 0;
  struct task_struct *task = (void *)ctx->args[0];
  if (server) watch(tgid, BPF_CORE_READ(task, start_boottime)); /* from its first instruction on; user space takes it out again when it is none */
  struct death_event *event = reserve(death_event_exec, DEATH_OF_ITSELF);
  if (!event) return 0;
  about(event, task);
  submit(event, server);
  return 0;
}

/* sched_process_exit(struct task_struct *task[, bool group_dead]); task is current. The second argument is 6.16's and is not touched. */
SEC("raw_tp/sched_process_exit")
int sched_process_exit(struct bpf_raw_tracepoint_args *ctx) {
  u32 tgid = (u32)(bpf_get_current_pid_tgid() >> 32);
  if (!is_watched(tgid)) return 0;
  struct task_struct *task = (void *)ctx->args[0];
  struct signal_struct *signal = BPF_CORE_READ(task, signal);
  if (BPF_CORE_READ(signal, live.counter) != 0) return 0; /* other threads go on */
  /* Two threads that end together may both read 0: whoever takes it out of the table reports. */
  if (bpf_map_delete_elem(&watched, &tgid) && !watch_all) return 0;
  if (marks_are_exact) mark[tgid & (MARKS - 1)] = 0;
  struct death_event *event = reserve(death_event_exit, DEATH_OF_ITSELF);
  if (!event) return 0;
  about(event, task);
  /* As wait4 will say it (kernel/exit.c wait_task_zombie): the leader may have gone before with another code. */
  if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT)
    event->status = BPF_CORE_READ(signal, group_exit_code);
  else
    event->status = BPF_CORE_READ(task, group_leader, exit_code);
  submit(event, 1);
  return 0;
}

/* mark_victim(struct task_struct *task, uid_t uid) since 6.8, and in 5.10.262 and 6.1.192; mark_victim(int pid) before. The loader asks
 * BTF and loads the one that fits. */
SEC("raw_tp/mark_victim")
int mark_victim_task(struct bpf_raw_tracepoint_args *ctx) {
  struct task_struct *task = (void *)ctx->args[0];
  struct death_event *event = reserve(death_event_oom, sizeof(*event));
  if (!event) return 0;
  about(event, task);
  if (!event->mm) event->mm = (u64)BPF_CORE_READ(task, signal, oom_mm);
  sent_from(event);
  submit(event, 1);
  return 0;
}

SEC("raw_tp/mark_victim")
int mark_victim_pid(struct bpf_raw_tracepoint_args *ctx) {
  struct death_event *event = reserve(death_event_oom, sizeof(*event));
  if (!event) return 0;
  event->tid = (u32)ctx->args[0]; /* the reader joins it to the SIGKILL that went to this thread just before */
  sent_from(event);
  submit(event, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
