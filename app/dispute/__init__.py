"""Disputes about revealed results, played from public records: whoever computed honestly convicts whoever did not."""
