"""Pure builders of child objects, one module per kind, as plain data. No I/O and no clock."""
