# Puts the container of one bundle in place of that of the other. Arguments: the folder of both, the old page, the new one.
cd "$1"
# As Gantry does, the new container is made while the old one serves; what is left is to let its program run.
crun create --bundle "$3" --pid-file pid "floor-$3" >"$3/output" 2>&1 </dev/null || { cat "$3/output" >&2 && exit 1; }
read -r pid <"$2/pid"
kill -QUIT "$pid"
# One that has ended is a zombie until the device's PID 1 looks.
while read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" != Z ]; do usleep 500; done 2>/dev/null
crun start "floor-$3"
crun delete --force "floor-$2"
