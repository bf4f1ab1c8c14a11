"""What is done with volumes: no HTTP here."""
