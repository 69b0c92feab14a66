"""What recognising speech while it is spoken costs, model by model and without a server."""
