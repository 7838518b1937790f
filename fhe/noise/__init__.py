"""How much noise a circuit's values carry, and how likely one is read wrongly."""
