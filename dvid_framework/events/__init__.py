"""What happens, told to others: the mutation log's followers, and the activity log."""
