"""What retrieval to expect for a pair of spaces, known before anybody has a true pair."""
