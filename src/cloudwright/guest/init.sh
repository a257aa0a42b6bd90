#!/bin/sh
# The tiny guest: finds the network, its key and its name, and lets the holder of the key in.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /run /tmp /var/log
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
hostname guest

# The serial console is what `console log show` shows; the screen is what a VNC viewer sees.
say() {
    line="[$(cut -d' ' -f1 /proc/uptime)] guest: $*"
    echo "$line"
    [ -c /dev/tty1 ] && echo "$line" >/dev/tty1 2>/dev/null
}

while read -r module; do
    insmod "/modules/$module" 2>/dev/null || say "module $module is of no use here"
done </modules/order

# The host key lies before the first partition, so that a reboot does not change who we are.
host_key() {
    umask 077
    if [ -b /dev/vda ] && [ "$(dd if=/dev/vda bs=512 skip=128 count=1 2>/dev/null | head -c 8)" = GUESTKEY ]; then
        size=$(dd if=/dev/vda bs=512 skip=129 count=1 2>/dev/null | head -n 1)
        dd if=/dev/vda bs=512 skip=130 count=1 2>/dev/null | head -c "$size" >/run/host_key
        return
    fi
    dropbearkey -t ed25519 -f /run/host_key >/dev/null 2>&1
    if [ -b /dev/vda ]; then
        echo GUESTKEY | dd of=/dev/vda bs=512 seek=128 conv=notrunc,sync 2>/dev/null
        wc -c </run/host_key | dd of=/dev/vda bs=512 seek=129 conv=notrunc,sync 2>/dev/null
        dd if=/run/host_key of=/dev/vda bs=512 seek=130 conv=notrunc,sync,fsync 2>/dev/null
    fi
}

# $1 is a name below meta-data; the answer is in /run/answer.
metadata() {
    wget -q -T 5 -O /run/answer "http://169.254.169.254/2009-04-04/meta-data/$1" 2>/dev/null &&
        [ -s /run/answer ]
}

fetch() {
    tries=0
    until metadata "$1"; do
        tries=$((tries + 1))
        [ $((tries % 10)) = 1 ] && say "no answer yet for $1 from the metadata service"
        [ "$tries" -ge 150 ] && return 1
        usleep 400000
    done
}

network() {
    ip link set lo up
    card=
    until [ -n "$card" ]; do
        for path in /sys/class/net/*; do
            [ -e "$path/device" ] && card=${path##*/} && break
        done
        [ -n "$card" ] || usleep 50000
    done
    ip link set "$card" up
    say "asking for an address on $card"
    # Once it has an address it goes on in the background, to keep the lease.
    until udhcpc -i "$card" -s /bin/on-lease -n -t 20 -T 1 >/dev/null 2>&1; do
        say "no address yet"
    done
    say "address $(ip -4 -o address show "$card" | awk '{print $4; exit}')"
}

say "started"
host_key &
making=$!
network
if fetch public-keys/0/openssh-key; then
    mkdir -p /home/cloud/.ssh
    cp /run/answer /home/cloud/.ssh/authorized_keys
    chmod 700 /home/cloud/.ssh
    chmod 600 /home/cloud/.ssh/authorized_keys
    chown -R cloud:cloud /home/cloud
    say "has its key"
else
    say "found no key: nobody can log in"
fi
if metadata hostname; then
    hostname "$(cut -d. -f1 /run/answer)"
fi
wait "$making"
dropbear -s -w -g -j -k -r /run/host_key -P /run/dropbear.pid
say "host key $(dropbearkey -y -f /run/host_key | sed -n 's/^Fingerprint: //p')"
say "ready: $(hostname) takes logins as cloud over SSH"
# The power button of `server stop`.
acpid -l /dev/null 2>/dev/null
# The first process may never end; it also gathers what others leave.
while :; do wait; sleep 3600; done
