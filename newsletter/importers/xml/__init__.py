"""Read the XML formats: feeds and WordPress exports, also when they are damaged."""
