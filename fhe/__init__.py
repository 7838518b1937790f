"""Encryption, circuits and their evaluation. It imports nothing of the application but `app.protocol`."""
