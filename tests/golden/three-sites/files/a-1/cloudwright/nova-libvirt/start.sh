boot="$(cat /proc/sys/kernel/random/boot_id) $(cut -d' ' -f22 /proc/1/stat)"
[ "$boot" = "$(cat /run/libvirt/boot 2>/dev/null)" ] || rm -rf /run/libvirt/*
echo "$boot" >/run/libvirt/boot
for group in /sys/fs/cgroup/pids /sys/fs/cgroup/systemd; do
    [ ! -d $group ] || { mkdir -p $group/machine && echo $$ >$group/machine/cgroup.procs; }
done
exec libvirtd
