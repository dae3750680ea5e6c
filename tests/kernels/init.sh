#!/bin/busybox sh
# The first process of a kernel under test: mounts what the watch needs, loses workers in every way, prints what the watch said, halts.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
echo "kernel: $(uname -r)"
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/site
echo 64M >/sys/fs/cgroup/site/memory.max

until_true() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 600 ] || { echo "late: $1"; return 1; }; usleep 50000; done; }
workers() { for s in /proc/[0-9]*/stat; do { read -r pid comm state parent rest <$s; } 2>/dev/null && [ "$parent" = "$master" ] && [ "$state" != Z ] && echo "$pid"; done; }
first() { workers | head -n 1; }

(echo 0 >/sys/fs/cgroup/site/cgroup.procs; exec guest master 2>/run/error.log) &
master=$!
until_true '[ "$(workers | wc -l)" = 2 ]'
triage watch $master --format jsonl >/tmp/watch.jsonl 2>/tmp/watch.err &
watch=$!
until_true 'grep -q "\"event\":\"attached\"" /tmp/watch.jsonl'
echo "attached: $(grep -m 1 '"event":"attached"' /tmp/watch.jsonl | sed 's/.*"text":"\([^"]*\)".*/\1/')"

lose() { # NAME SIGNAL
  victim=$(first)
  echo "fault: $1 $victim"
  guest kill $2 $victim
  until_true "[ ! -d /proc/$victim ]"
  until_true '[ "$(workers | wc -l)" = 2 ]'
}
lose kill 9
lose oom 10
lose fault 12
lose exit 1

until_true '[ "$(grep -c "\"provisional\":false" /tmp/watch.jsonl)" -ge 4 ]'
kill $watch
echo "--- watch"
cat /tmp/watch.jsonl
echo "--- stderr"
cat /tmp/watch.err
echo "--- end"
poweroff -f
