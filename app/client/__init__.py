"""The Python client of owners and buyers, and the folders in which every role keeps what is its own."""
