# Replaces the container of one bundle by that of the other. Arguments: the folder of both, the old page, the new one.
cd "$1/$2" && pid=$(cat pid) && crun kill floor-$2 QUIT
# One that has ended stays as a zombie until the device's PID 1 looks.
while read -r _ _ state _ 2>/dev/null </proc/$pid/stat && [ "$state" != Z ]; do usleep 500; done
cd "$1/$3" && crun run --detach --pid-file pid floor-$3 >/dev/null 2>&1 </dev/null
# Afterwards, as Gantry does: it waits for the zombie.
crun delete --force floor-$2
