"""What several kinds of tests share: the installed product, a local VPS, projects made for one test."""
