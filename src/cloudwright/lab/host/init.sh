#!/bin/sh
# The first program of a lab host: does what systemd does on a real one, and no more.
set -u

mount --make-rshared /
mkdir -p /run/netns /run/podman /run/sshd /run/lock
chmod 0755 /run/sshd

# Podman 5 lays a file over /run that says that the images of the machine are mounted in here. The
# Podman inside would take that for "these containers are not mine", and after a power cut go on
# believing that they all run.
umount /run/.containerenv 2>/dev/null
rm -f /run/.containerenv

# The container engine inside needs its own branches of the cgroup tree, which cgroup v2 grants
# only below a group that holds no process itself.
if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
    mkdir -p /sys/fs/cgroup/lab
    while read -r process; do
        echo "$process" >/sys/fs/cgroup/lab/cgroup.procs 2>/dev/null
    done </sys/fs/cgroup/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
    done
fi

# Limits cannot be raised in here, and the engine asks for more than some machines give.
limit() { awk -v name="$1" 'index($0, name) == 1 {print $(NF - 1)}' /proc/self/limits; }
files=$(limit "Max open files")
processes=$(limit "Max processes")
[ "$processes" = unlimited ] && processes=-1
cat >/etc/containers/containers.conf.d/50-lab.conf <<END
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
END

# A host may have a store of its own alone, as real ones do.
[ -d /var/lib/outer-storage ] || sed -i '/^additionalimagestores/d' /etc/containers/storage.conf

# The one disk that a lab host has is where its engine keeps things; what else must outlive the
# container lies there, too.
for directory in /etc/cloudwright /var/lib/cloudwright; do
    mkdir -p "$directory" "/var/lib/containers/lab$directory"
    mount --bind "/var/lib/containers/lab$directory" "$directory"
done

if [ "$LAB_USER" != root ] && ! id "$LAB_USER" >/dev/null 2>&1; then
    useradd --create-home --shell /bin/bash "$LAB_USER"
    echo "$LAB_USER ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/lab-$LAB_USER"
fi

# What systemd would start again when it ends.
keep() {
    while :; do
        "$@"
        echo "$1 ended with $?, started again" >&2
        sleep 1
    done
}

stop() {
    podman stop --all --time 10 >/dev/null
    exit 0
}
trap stop TERM INT

keep podman system service --time 0 unix:///run/podman/podman.sock &
until [ -S /run/podman/podman.sock ]; do sleep 0.05; done
# As podman-restart.service does when a real host boots.
podman start --all --filter restart-policy=always &
keep /usr/sbin/sshd -D -e -p "$LAB_SSH_PORT" &
while :; do wait; done
