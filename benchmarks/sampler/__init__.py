"""What one tick of the operator costs with many services: queries, reading, deciding."""
