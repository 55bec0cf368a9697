"""Message rules: headers, MIME, signatures, tokens, and SMTP replies. Pure functions; each rule cites its RFC section."""
