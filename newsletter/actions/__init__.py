"""The verbs: what a newsletter does, one module per verb; they meet the outside only through `ports`."""
