"""Erasing: a customer's right to be forgotten, asked for, waited for, and read back."""
