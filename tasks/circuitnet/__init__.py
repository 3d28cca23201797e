"""Routing congestion on chip layouts: CircuitNet maps in, a map of overflow out."""
