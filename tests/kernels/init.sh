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
group() { mkdir /sys/fs/cgroup/$1; echo $2 >/sys/fs/cgroup/$1/memory.max; }
group site 16M
group whole 16M
group noise 2M
echo 1 >/sys/fs/cgroup/whole/memory.oom.group
mkdir /sys/fs/cgroup/free

until_true() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 1500 ] || { echo "late: $1"; return 1; }; usleep 50000; done; }
workers() { for s in /proc/[0-9]*/stat; do { read -r pid comm state parent rest <$s; } 2>/dev/null && [ "$parent" = "$1" ] && [ "$state" != Z ] && echo "$pid"; done; }
first() { workers $1 | head -n 1; }
serve() { (echo 0 >/sys/fs/cgroup/$1/cgroup.procs; exec guest master 2>/run/$1.log) & }

serve site; site=$!
serve whole; whole=$!
serve free; free=$!
# Python in gunicorn's shape, for the stacks; its title leaves no room for a script's name, so that comes on its standard input.
(echo 0 >/sys/fs/cgroup/free/cgroup.procs; PYTHONHOME=/usr exec -a 'gunicorn: master [hung]' /bin/python3 </srv/start.py 2>/run/hung.log) & hung=$!
for master in $site $whole $free $hung; do until_true "[ \"\$(workers $master | wc -l)\" = 2 ]"; done
triage watch $site $whole $free $hung --syscalls --format jsonl >/tmp/watch.jsonl 2>/tmp/watch.err &
watch=$!
until_true '[ "$(grep -c "\"event\":\"attached\"" /tmp/watch.jsonl)" = 4 ]'
echo "attached: $(grep -m 1 '"event":"attached"' /tmp/watch.jsonl | sed 's/.*"text":"\([^"]*\)".*/\1/')"

told() { grep '"provisional":false' /tmp/watch.jsonl | grep -vc limit.descriptors; }
# Either it follows system calls and names who is refused, or it says that it cannot; the deaths come either way.
until_true "grep -q '\"event\":\"syscalls\"\|system calls (--syscalls)' /tmp/watch.jsonl"
refused=$(first $free)
echo "refused: $refused"
guest kill 26 $refused
until_true "grep -q '\"limit.descriptors\".*\"provisional\":false\|system calls (--syscalls)' /tmp/watch.jsonl"
wanted=0
lose() { # NAME SIGNAL SERVER
  victim=$(first $3)
  [ $1 = forged ] && echo "<3>Memory cgroup out of memory: Killed process $victim (gunicorn) total-vm:9000kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0" >/dev/kmsg
  echo "fault: $1 $victim"
  guest kill $2 $victim
  until_true "[ ! -d /proc/$victim ]"
  until_true "[ \"\$(workers $3 | wc -l)\" = 2 ]"
  wanted=$((wanted + 1))
}
lose python 9 $hung
lose kill 9 $site
lose fault 12 $site
lose exit 1 $site
lose abort 21 $site
lose forged 9 $site
lose oom 10 $site
lose shared 22 $site
lose thread 14 $site
(echo 0 >/sys/fs/cgroup/noise/cgroup.procs; exec guest hog 20)
lose limited 10 $site
lose host 10 $free
echo "fault: group $(workers $whole | tr '\n' ' ')"
guest kill 10 $(first $whole)
until_true "[ ! -d /proc/$whole ] || grep -q 'State:.Z' /proc/$whole/status 2>/dev/null"
wanted=$((wanted + 2))

until_true '[ "$(told)" -ge $wanted ]'
kill $watch
wait $watch
echo "--- watch"
cat /tmp/watch.jsonl
echo "--- stderr"
cat /tmp/watch.err
echo "--- kernel"
dmesg | grep -E 'Killed process|oom-kill:|suppressed'
echo "--- end"
poweroff -f
