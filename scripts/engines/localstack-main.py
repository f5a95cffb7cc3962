# Starts LocalStack so that it listens on this machine only. Its web server is the one that its Docker image uses, Twisted, which takes the port
# of GATEWAY_LISTEN but not the address. The other choice, Hypercorn, takes both, but stores what arrived of an upload that is cut off.
from functools import partialmethod
from runpy import run_module

from twisted.internet.endpoints import TCP4ServerEndpoint

TCP4ServerEndpoint.__init__ = partialmethod(TCP4ServerEndpoint.__init__, interface="127.0.0.1")
run_module("localstack.runtime.main", run_name="__main__")
