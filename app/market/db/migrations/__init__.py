"""Alembic's migrations, one file a version of the tables' form.

A new one, after a change in `tables`: `python -m app.market.db.write_migration "what changes"`.
"""
