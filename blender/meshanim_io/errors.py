"""What the user is told, in one sentence, when something cannot be done."""


class Refusal(Exception):
    """A file or a selection that cannot be used; its text is shown as it is."""
