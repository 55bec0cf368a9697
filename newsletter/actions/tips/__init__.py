"""Use cases for tips: import, edit, export and the feedback votes."""
