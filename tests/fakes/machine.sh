# A Debian machine of its own, for tests: this machine's root, with whatever is changed kept in memory and forgotten; systemd as its
# first process, in namespaces of its own. Takes root. $1: an empty directory, $2: a directory that the machine sees as /mnt.
# Prints the number of the machine's first process, and ends the machine at the end of its standard input.
set -eu
name=gateway-test-$$
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
mount --make-rprivate /
cd "$1"
mkdir cgroups memory root
mount -t cgroup2 none cgroups
mkdir "cgroups/$name"
trap 'echo $$ >"cgroups$own/cgroup.procs"; find "cgroups/$name" -depth -type d -exec rmdir {} +; umount cgroups' EXIT
echo $$ >"cgroups/$name/cgroup.procs"

unshare --mount --cgroup --pid --fork --kill-child --ipc --uts --net sh -euc '
mount -t tmpfs none memory
mkdir memory/changed memory/work
mount -t overlay none -o "lowerdir=/,upperdir=$PWD/memory/changed,workdir=$PWD/memory/work" root
mount -t proc none root/proc
mount --bind -o ro root/proc/sys root/proc/sys
mount -t sysfs -o ro none root/sys
mount -t cgroup2 none root/sys/fs/cgroup
for directory in run tmp dev; do mount -t tmpfs none root/$directory; done
for device in null zero full random urandom tty; do
    touch root/dev/$device
    mount --bind /dev/$device root/dev/$device
done
mkdir root/dev/shm
mount -t tmpfs none root/dev/shm
ln -s /proc/self/fd root/dev/fd
ln -s pts/ptmx root/dev/ptmx
mount --bind "$0" root/mnt
echo "[Unit]" >root/etc/systemd/system/nothing.target
rm -rf root/var/lib/gateway root/etc/systemd/system/gateway*
cd root
mkdir run/before
pivot_root . run/before
umount -l /run/before
rmdir /run/before
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-sys_rawio,-syslog \
    /lib/systemd/systemd --system --unit=nothing.target --log-target=journal --show-status=0
' "$2" </dev/null >/dev/null &
outer=$!
until first=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null) && [ -n "$first" ]; do
    kill -0 "$outer" || exit 1
done
echo "${first% }"
cat >/dev/null || true
kill -9 "${first% }" || true
wait "$outer" || true
