"""What every command and the demo show on a terminal, and how."""
