"""Tips and templates to mails and pages of text; knows no store, no sender and no clock."""
