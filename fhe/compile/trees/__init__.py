"""Tree models as circuits."""
