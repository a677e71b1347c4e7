# PID 1 of a machine that runs this machine's own distribution: its root below a writable layer on a disk of its own, in
# namespaces of its own. Arguments: the disk (ext4), an empty folder, the init system (systemd or plain), the cgroup's name.
set -e
mount --make-rprivate /
mount -o loop "$1" "$2"
cd "$2"
mkdir -p upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 dev/${node%:*} c 1 ${node#*:}; done
mknod -m 666 dev/tty c 5 0
mknod -m 600 dev/loop-control c 10 237
for number in $(seq 0 31); do mknod -m 600 dev/loop$number b 7 $number; done
# As Debian has it: programs in /run cannot be executed.
mount -t tmpfs -o mode=0755,nosuid,nodev,noexec tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/lock old
if [ "$3" = systemd ]; then
	mount -t cgroup2 cgroup2 sys/fs/cgroup
else
	# As older distributions have it: version 1, and a version 2 without controllers beside it.
	mount -t tmpfs tmpfs sys/fs/cgroup
	mkdir sys/fs/cgroup/memory sys/fs/cgroup/unified
	mount -t cgroup -o memory cgroup sys/fs/cgroup/memory || true
	mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
pivot_root . old
cd /
umount -l /old
mount --make-rshared /
ip link set lo up
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ "$3" = systemd ] || exec unshare --uts sh -c 'hostname board; while :; do sleep 1; done'
# Of this machine's own services only sshd is wanted, and nothing that touches hardware.
if [ ! -e /etc/machine-id.gantry-test ]; then
	rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.service
	for unit in getty.target systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service \
		systemd-sysctl.service systemd-remount-fs.service systemd-logind.service docker.service docker.socket \
		containerd.service networking.service systemd-networkd.service systemd-resolved.service; do
		ln -s /dev/null /etc/systemd/system/$unit
	done
	mkdir /etc/systemd/system/multi-user.target.wants
	ln -s /lib/systemd/system/ssh.service /etc/systemd/system/multi-user.target.wants/
	echo board >/etc/hostname
	: >/etc/fstab
	echo 0123456789abcdef0123456789abcdef >/etc/machine-id
	ssh-keygen -A >/dev/null
	touch /etc/machine-id.gantry-test
fi
exec unshare --uts --ipc env -i container=gantry-test /lib/systemd/systemd --unit=multi-user.target
