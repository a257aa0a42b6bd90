# Takes all space of the file system of directory $1, and what others free of it, for $2 seconds at
# most or until it is ended; makes file $3 when there is none. What takes the space has no name any
# more: whatever ends us gives it back.
set -eu
exec 9>"$1/.cloudwright-drill"
rm "$1/.cloudwright-drill"
end=$(($(date +%s) + $2)) size=0
while [ "$(date +%s)" -lt "$end" ]; do
    piece=1073741824
    while [ "$piece" -ge 4096 ]; do
        # Reserved, not written: that takes no time, nor space of a file that the disk may be.
        if fallocate -o "$size" -l "$piece" /proc/self/fd/9; then
            size=$((size + piece))
        else
            piece=$((piece / 2))
        fi
    done
    : >"$3"
    sleep 0.5
done
