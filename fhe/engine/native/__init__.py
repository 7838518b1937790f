"""The native core: the canonical evaluator in C, built for each vector width, chosen by the processor at run time."""
