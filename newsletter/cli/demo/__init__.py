"""`newsletter demo`: one whole Tuesday with nothing configured."""
