for namespace in /run/netns/*; do
    [ ! -e $namespace ] || grep -q " $namespace " /proc/self/mountinfo ||
        sudo /var/lib/kolla/venv/bin/neutron-rootwrap /etc/neutron/rootwrap.conf ip netns delete ${namespace##*/}
done
exec neutron-ovn-agent --config-file /etc/neutron/neutron.conf
