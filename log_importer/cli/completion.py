"""`log-importer completion`: the script with which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print what SHELL needs to complete commands and options.

    \b
    bash, in ~/.bashrc:                     eval "$(log-importer completion bash)"
    zsh, in ~/.zshrc:                       eval "$(log-importer completion zsh)"
    fish, in ~/.config/fish/config.fish:    log-importer completion fish | source
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "log-importer", "_LOG_IMPORTER_COMPLETE").source())
    return 0
