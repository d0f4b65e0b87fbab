"""Accounts: what becomes of organisations, judged by what their members do."""
