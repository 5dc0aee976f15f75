"""What does the command `explore` do? It serves a page of sliders: `page` is the page, `serving` shows it."""
