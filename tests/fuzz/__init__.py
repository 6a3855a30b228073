"""Mutated bytes against a live proxy, judged by a strict reference: `pytest -m fuzz tests/fuzz`."""
