# PID 1 of namespaces in which podman runs containers. Argument: the cgroup's name.
set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
# podman wants the one hierarchy of cgroup v2, which a machine may have beside the old ones.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
exec sh -c 'while :; do sleep 1000; done'
