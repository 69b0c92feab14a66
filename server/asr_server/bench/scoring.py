"""How far apart two texts are. Pure."""


def count_errors(wanted: str, found: str) -> int:
    """Return how many characters must be replaced, added or left out (Levenshtein)."""
    if wanted == found:
        return 0
    costs = list(range(len(found) + 1))
    for row, character in enumerate(wanted, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            replaced = diagonal + (character != other)
            diagonal = costs[column]
            costs[column] = min(replaced, diagonal + 1, costs[column - 1] + 1)
    return costs[-1]
