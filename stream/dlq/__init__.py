"""Dead letters: what could not be used, counted, looked at, tried anew and sent again."""
