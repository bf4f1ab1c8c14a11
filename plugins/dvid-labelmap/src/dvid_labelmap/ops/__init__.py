"""What is done with labels: reading, writing, down-sampling. No HTTP, no event loop."""
