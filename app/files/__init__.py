"""Files of this machine: private, sealed, shared by processes, read with line numbers."""
