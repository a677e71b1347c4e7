# PID 1 of a device that runs on this machine's own kernel, in namespaces of its own: the composed root image with the
# init container and the system containers as on any device. Arguments: the root image, an empty folder, the cgroup's name.
set -e
mount -t tmpfs -o mode=0755 tmpfs "$2"
cd "$2"
mkdir ro rw root
mount -o loop,ro -t squashfs "$1" ro
mkdir rw/upper rw/work
mount -t overlay -o lowerdir=ro,upperdir=rw/upper,workdir=rw/work overlay root
mount --bind ro/gantry root/gantry
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
# The consoles of this machine are not the device's.
mount -t tmpfs tmpfs sys/devices/virtual/tty
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for folder in run tmp var/lib/gantry dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
ip link set lo up
echo 1 >proc/sys/net/ipv4/tcp_migrate_req
mkdir -p run/gantry/volumes var/lib/gantry/logs sys/fs/cgroup/gantry
mount -t tmpfs -o mode=0700 tmpfs run/gantry/volumes
pivot_root . mnt
cd /
umount -l /mnt
# As on any device: what is unmounted here must go in the init container's namespace, too.
mount --make-rshared /
exec /usr/bin/busybox sh -c 'while :; do /usr/lib/gantry/launcher; done'
