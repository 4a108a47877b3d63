"""Constraints compiled once per slate into an immutable value, and the contract over them."""
