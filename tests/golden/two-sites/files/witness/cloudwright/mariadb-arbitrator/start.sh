members="10.66.0.11 10.66.0.12"
somebody_answers() {
    for member in $members; do
        timeout 1 bash -c ": </dev/tcp/$member/4567" 2>/dev/null && return
    done
    return 1
}
until somebody_answers; do sleep 0.5; done
garbd --name=witness --group=two-sites --address=gcomm://10.66.0.11:4567,10.66.0.12:4567 --options='gmcast.listen_addr=ssl://10.66.0.13:4567;socket.ssl=YES;socket.ssl_ca=/etc/cloudwright/ca.pem;socket.ssl_cert=/etc/cloudwright/tls.crt;socket.ssl_key=/etc/cloudwright/tls.key;gmcast.segment=2;evs.keepalive_period=PT0.3S;evs.suspect_timeout=PT1S;evs.inactive_timeout=PT5S;evs.install_timeout=PT4S;evs.inactive_check_period=PT0.2S' &
garbd=$!
trap 'kill $garbd' TERM INT
alone=0
while kill -0 $garbd 2>/dev/null; do
    sleep 2
    if ss -Htn state established | grep -q ':4567'; then alone=0; elif somebody_answers; then alone=$((alone + 1)); fi
    [ $alone -lt 5 ] || kill $garbd
done
wait $garbd
