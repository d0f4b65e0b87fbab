"""Report: what was in a log and what was raised of it, as a page that opens anywhere."""
