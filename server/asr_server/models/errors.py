"""What goes wrong with models, said so that an operator of the service can act on it."""


class ModelError(Exception):
    """A model cannot be used; the message names the file or key and says what to do."""
