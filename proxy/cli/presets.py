"""`keybearer presets`: the APIs that are known."""

from __future__ import annotations

import click

from proxy.cli.fail import WrongConfiguration
from proxy.config.presets import get, names


@click.command()
@click.argument("name", required=False)
def presets(name: str | None) -> None:
    """List the presets, or show what one of them sets."""
    if name is None:
        width = max(map(len, names()))
        for each in names():
            click.echo(f"{each:<{width}}  {get(each).description}")
        return
    try:
        preset = get(name)
    except KeyError:
        raise WrongConfiguration(
            f"there is no preset {name!r}; there are {', '.join(names())}"
        ) from None
    denied = [path for rule in preset.minting for path in rule.paths]
    click.echo(f"{preset.name}: {preset.description}")
    click.echo(f"  upstream  {preset.upstream}")
    click.echo(f"  token     {preset.scheme}, by default from ${preset.token_env}")
    click.echo(f"  methods   {', '.join(preset.methods) if preset.methods else 'any'}")
    click.echo(f"  denied    {', '.join(denied)} (they mint tokens; allow_minting: true)")
    click.echo(
        f"  route     {preset.name}: {{preset: {preset.name}, token: {{env: {preset.token_env}}}}}"
    )
