"""Turn the HTML of posts into Markdown, wherever it was pasted from."""
