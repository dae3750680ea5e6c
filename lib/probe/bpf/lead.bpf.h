/* Where a descriptor of the current process leads: a file's last name, or a socket's peer. After bpf_helpers.h. */
#ifndef TRIAGE_LEAD_BPF_H
#define TRIAGE_LEAD_BPF_H

#include "lead.event.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct inode { u16 i_mode; };
struct qstr { const unsigned char *name; };
struct dentry { struct qstr d_name; };
struct path { struct dentry *dentry; };
struct file { struct inode *f_inode; void *private_data; struct path f_path; };
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };
struct in6_addr { u8 in6_u[16]; };
struct sock_common { u32 skc_daddr; u16 skc_dport, skc_num, skc_family; struct in6_addr skc_v6_daddr; };
struct sock { struct sock_common __sk_common; };
struct socket { struct sock *sk; };
struct sockaddr_un { u16 sun_family; char sun_path[108]; };
struct unix_address { int len; struct sockaddr_un name[0]; };
struct unix_sock { struct unix_address *addr; struct sock *peer; };
#pragma clang attribute pop

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define LEAD_SUN_PATH 108

/* `path`: room for 112 bytes, or 0 when the name of a file or of a unix socket is not wanted. */
static __always_inline void lead_of(struct files_struct *open, u32 fd, struct lead *lead, char *path) {
  struct file *file = 0;
  struct fdtable *table = BPF_CORE_READ(open, fdt);
  struct file **files = BPF_CORE_READ(table, fd);
  if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), &files[fd]) || !file) return;
  lead->mode = BPF_CORE_READ(file, f_inode, i_mode);
  if ((lead->mode & S_IFMT) != S_IFSOCK) {
    if (path) bpf_probe_read_kernel_str(path, LEAD_SUN_PATH, BPF_CORE_READ(file, f_path.dentry, d_name.name));
    return;
  }
  struct socket *socket = BPF_CORE_READ(file, private_data);
  struct sock *sock = BPF_CORE_READ(socket, sk);
  lead->family = BPF_CORE_READ(sock, __sk_common.skc_family);
  if (lead->family == AF_INET || lead->family == AF_INET6) {
    lead->port = BPF_CORE_READ(sock, __sk_common.skc_dport);
    lead->lport = BPF_CORE_READ(sock, __sk_common.skc_num);
    if (lead->family == AF_INET) {
      u32 address = BPF_CORE_READ(sock, __sk_common.skc_daddr);
      __builtin_memcpy(lead->address, &address, sizeof(address));
    } else {
      BPF_CORE_READ_INTO(&lead->address, sock, __sk_common.skc_v6_daddr);
    }
  } else if (lead->family == AF_UNIX && path) {
    struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sock, peer);
    struct unix_address *address = BPF_CORE_READ(peer, addr);
    if (!address) address = BPF_CORE_READ((struct unix_sock *)sock, addr); /* the server's side */
    if (address) bpf_core_read(path, LEAD_SUN_PATH, &address->name[0].sun_path);
  }
}

#endif
