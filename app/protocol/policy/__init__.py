"""What may leave: bits, linear forms, groups of persons, the rules of a release."""
