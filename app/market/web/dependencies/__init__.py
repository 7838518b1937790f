"""What a route is handed: the application's state and the caller."""
