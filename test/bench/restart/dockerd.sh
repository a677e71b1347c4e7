# PID 1 of namespaces in which dockerd runs. Arguments: a folder for all that it keeps, the cgroup's name.
set -e
mount -t proc proc /proc
# A containerd that this machine runs for somebody else is neither used nor seen.
mount -t tmpfs -o mode=0755 tmpfs /run
ip link set lo up
dockerd --host "unix://$1/docker.sock" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
	--iptables=false --ip6tables=false --bridge=none --cgroup-parent="/$2" --exec-opt native.cgroupdriver=cgroupfs
exit $?
