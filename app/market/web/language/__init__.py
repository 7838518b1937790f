"""The pages' words in another language: chosen by request, kept as gettext catalogues, apart from the code."""
