"""The native core: the canonical evaluator in C, built for each vector width and chosen by the processor at run time."""
