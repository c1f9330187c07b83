"""What is wrong, here and on the host, and what to do about it: facts in, findings out."""
