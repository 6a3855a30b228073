"""`keybearer schema`: the configuration file's JSON Schema."""

from __future__ import annotations

import json

import click

from proxy.config.json_schema import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))
