"""The console: who is slipping now, why, and what the model makes of them, in a browser.

It reads what everybody may subscribe to, the topics of alerts and of the model, and keeps
what is open in memory; of one customer's past it reads when somebody asks.  It writes nothing.
"""
