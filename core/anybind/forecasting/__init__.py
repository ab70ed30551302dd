"""What retrieval to expect for a pair of spaces, before anybody has a true pair of them."""
