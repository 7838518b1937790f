"""More real tables beside the sample: what makes a newcomer's market look like one, published while it already runs."""
