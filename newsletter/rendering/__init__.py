"""Render tips and templates to emails and pages."""
