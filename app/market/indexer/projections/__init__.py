"""From events to rows, without any I/O."""
