"""HTTP requests that the program itself makes: the link checker and the heartbeat."""
