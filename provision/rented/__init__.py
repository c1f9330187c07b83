"""Servers rented from a cloud provider: one flow for all of them."""
