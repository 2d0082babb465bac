"""Carriage by hand: sealed files leave on a medium and come in from one, where the network does not carry them."""
