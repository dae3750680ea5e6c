/* The kernel's words for integers, which bpf_helper_defs.h wants, and which no dumped vmlinux.h gives us. */
#ifndef TRIAGE_WORDS_BPF_H
#define TRIAGE_WORDS_BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
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

#endif
