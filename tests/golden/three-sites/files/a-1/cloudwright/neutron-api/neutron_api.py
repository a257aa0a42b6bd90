from neutron import policy
from neutron.wsgi.api import application

policy.init()
