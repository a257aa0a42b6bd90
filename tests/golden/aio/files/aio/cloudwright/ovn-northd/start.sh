exec ovn-northd --ovnnb-db=tcp:10.64.0.11:6641 --ovnsb-db=tcp:10.64.0.11:6642 --unixctl=/run/ovn/ovn-northd.ctl --no-chdir -vconsole:info -vfile:off
