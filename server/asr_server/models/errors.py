"""What goes wrong with models, said so that an operator of the service can act on it."""


class ModelError(Exception):
    """A model cannot be used; the message names the file or key and says what to do."""


def no_number(model: str) -> ArithmeticError:
    """Return the error of a network that gave NaN, for one input or for all."""
    return ArithmeticError(f"{model} gave NaN; use float32 or bfloat16")
