"""Results for the buyer's eyes only: HPKE, the result's bytes, and the buyer's sealing keys."""
