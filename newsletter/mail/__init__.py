"""What a letter must look like on the wire: pure rules, each with its RFC section; sends nothing."""
