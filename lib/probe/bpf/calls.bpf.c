/* What the system calls of watched processes come to, loaded only for --syscalls: one raw tracepoint at the end of every call of the machine. There
 * is none at its start, for the registers still hold number and descriptor (x86-64, arm64), so half of the usual cost is saved. The result is
 * looked at first: a call that failed otherwise, or moved nothing, or anything at all while no socket is asked about, costs three instructions. */
#include "calls.event.h"

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
/* bpf_helper_defs.h wants these names. */
typedef unsigned char __u8;
typedef unsigned short __u16, __be16, __sum16;
typedef short __s16;
typedef unsigned int __u32, __be32, __wsum;
typedef int __s32;
typedef unsigned long long __u64, __be64;
typedef long long __s64;

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_RINGBUF = 27 };
enum { BPF_NOEXIST = 1, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long orig_ax, di, dx, r10; };
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs { u64 regs[31]; u64 orig_x0; s32 syscallno; }; /* orig_x0: regs[0] holds the result by now */
#endif
struct inode { unsigned long i_ino; };
struct file { struct inode *f_inode; };
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };
struct thread_info { u32 status; };
struct task_struct { struct thread_info thread_info; struct files_struct *files; };
#pragma clang attribute pop

struct bpf_raw_tracepoint_args { u64 args[0]; };

#define EMFILE 24
#define ENFILE 23
#define MSG_PEEK 2
#define TS_COMPAT 2 /* arch/x86: a call by 32-bit numbers */
#define MARKS 65536

/* These two are deaths.bpf.c's own, put here by the loader: who is watched, kept up to date by its forks and ends. */
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
  __uint(max_entries, 1024);
  __type(key, struct call_refused);
  __type(value, struct call_refusals);
} refusals SEC(".maps");

struct { /* inodes of the sockets that are asked about; unique on the machine, whatever the namespaces */
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, u64);
  __type(value, u8);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 19); /* 10,900 uses: at the reader's pace of 100 ms, 109,000 a second */
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, call_lost_rows);
  __type(key, u32);
  __type(value, u64);
} lost SEC(".maps");

/* Set by the loader before load. */
const volatile unsigned char does[CALLS] = {};
const volatile unsigned int marks_at = 0; /* where the bytes begin in the value of `marks` */

/* How many sockets are asked about: 0 is the usual case, and ends the program early. */
unsigned int asked = 0;

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

#if defined(__TARGET_ARCH_x86)
static __always_inline u32 number_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, orig_ax); }
static __always_inline u32 first_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, di); }
static __always_inline u32 third_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, dx); }
static __always_inline u32 fourth_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, r10); }
static __always_inline int of_other_abi(struct task_struct *task) { return (BPF_CORE_READ(task, thread_info.status) & TS_COMPAT) != 0; }
#elif defined(__TARGET_ARCH_arm64)
static __always_inline u32 number_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, syscallno); }
static __always_inline u32 first_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, orig_x0); }
static __always_inline u32 third_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, regs[2]); }
static __always_inline u32 fourth_of(struct pt_regs *regs) { return (u32)BPF_CORE_READ(regs, regs[3]); }
static __always_inline int of_other_abi(struct task_struct *task) { return 0; }
#endif

static __always_inline void tell(u32 type, u32 tgid, u32 call, u64 inode, u32 way, u64 wake) {
  struct call_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    count_lost(call_lost_ring);
    return;
  }
  event->at = bpf_ktime_get_boot_ns();
  event->inode = inode;
  event->type = type;
  event->tgid = tgid;
  event->call = call;
  event->way = way;
  bpf_ringbuf_submit(event, wake);
}

static __always_inline void refuse(u32 tgid, u32 call, s32 error) {
  struct call_refused key = {tgid, call, error};
  u64 now = bpf_ktime_get_boot_ns();
  struct call_refusals *row = bpf_map_lookup_elem(&refusals, &key);
  if (!row) {
    struct call_refusals first = {1, now, now};
    if (!bpf_map_update_elem(&refusals, &key, &first, BPF_NOEXIST)) {
      tell(call_event_refused, tgid, call, 0, (u32)error, BPF_RB_FORCE_WAKEUP);
      return;
    }
    row = bpf_map_lookup_elem(&refusals, &key); /* another thread was first, or the table is full */
    if (!row) {
      count_lost(call_lost_table);
      return;
    }
  }
  __sync_fetch_and_add(&row->count, 1);
  row->last = now;
}

/* sys_exit(struct pt_regs *regs, long ret) */
SEC("raw_tp/sys_exit")
int sys_exit(struct bpf_raw_tracepoint_args *ctx) {
  s64 result = (s64)ctx->args[1];
  int refused = result == -EMFILE || result == -ENFILE;
  if (!refused && (result <= 0 || !asked)) return 0;
  u32 tgid = (u32)(bpf_get_current_pid_tgid() >> 32);
  if (!is_watched(tgid)) return 0;
  struct pt_regs *regs = (void *)ctx->args[0];
  struct task_struct *task = (void *)bpf_get_current_task();
  u32 call = number_of(regs);
  if (refused) {
    refuse(tgid, of_other_abi(task) ? CALL_OF_OTHER_ABI : call, (s32)-result);
    return 0;
  }
  if (call >= CALLS) return 0;
  u8 what = does[call];
  if (!what) return 0;
  u32 fd = first_of(regs);
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  struct file *file = 0;
  struct file **files = BPF_CORE_READ(table, fd);
  if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) || !file) return 0;
  u64 inode = BPF_CORE_READ(file, f_inode, i_ino);
  if (!bpf_map_lookup_elem(&sockets, &inode)) return 0;
  if ((what & CALL_FLAGS_4TH) && (fourth_of(regs) & MSG_PEEK)) return 0; /* it stays there for whoever reads */
  if ((what & CALL_FLAGS_3RD) && (third_of(regs) & MSG_PEEK)) return 0;
  tell(call_event_used, tgid, call, inode, what & (CALL_READS | CALL_WRITES), BPF_RB_NO_WAKEUP);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
