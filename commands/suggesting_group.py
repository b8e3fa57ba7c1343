"""A group of commands that suggests the nearest one for an unknown name."""

import difflib

import click


class SuggestingGroup(click.Group):
    """A group that suggests commands; newer versions of click do so for names that are spelt alike.

    This one also suggests commands that begin with the name, and those of its groups: `upscale`
    gives `figure upscale`.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises:
            click.UsageError: there is none; the message has suggestions.
        """
        name = args[0]
        known = self.get_command(ctx, name) is not None
        if known or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        message = f"No such command '{name}'."
        if close := self._suggestions(name):
            message += f" Did you mean {' or '.join(repr(one) for one in close)}?"
        raise click.UsageError(message, ctx)

    def _suggestions(self, name: str) -> list[str]:
        """Commands of similar names, at most three."""
        paths: dict[str, str] = {}
        for own, command in self.commands.items():
            paths.setdefault(own, own)
            if isinstance(command, click.Group):
                for below in command.commands:
                    paths.setdefault(below, f"{own} {below}")
        word = name.lower()
        begins = [one for one in paths if len(word) > 1 and one.startswith(word)]
        close = difflib.get_close_matches(word, paths, n=3)
        return [paths[one] for one in dict.fromkeys([*begins, *close])][:3]
