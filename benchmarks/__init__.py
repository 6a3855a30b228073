"""Keybearer beside its peers on one machine: CPU time per request, time to start; loopback only."""
