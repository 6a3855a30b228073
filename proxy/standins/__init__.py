"""Faithful local Microreact and Carbonregistry.com, for the demo and the tests."""
