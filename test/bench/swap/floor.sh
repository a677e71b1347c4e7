# The least that replacing one container by another takes: crun alone, everything made beforehand. Runs in the namespaces
# of a device. Arguments: config.json of the device's own web container, the folder for two bundles.
set -e
mkdir -p "$2"
cd "$2"
for page in 1 2; do
	mkdir -p $page/upper/srv/www $page/work $page/rootfs
	echo "page $page of bare crun" >$page/upper/srv/www/index.html
	lower=$(sed -n 's/^gantry-web .*lowerdir=\([^,]*\).*/\1/p' /proc/mounts | head -n 1)
	mount -t overlay -o "lowerdir=$lower,upperdir=$page/upper,workdir=$page/work" overlay $page/rootfs
	sed -e "s#\"path\":\"/run/gantry/containers/web[^\"]*/rootfs\"#\"path\":\"$2/$page/rootfs\"#" \
		-e "s#\"cgroupsPath\":\"[^\"]*\"#\"cgroupsPath\":\"/floor/$page\"#" "$1" >$page/config.json
done
