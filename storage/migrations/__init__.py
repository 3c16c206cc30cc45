"""Alembic's environment: every schema that a store ever had is a step here."""
