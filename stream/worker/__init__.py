"""The Faust app: agents that join detector and engine."""
