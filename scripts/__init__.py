"""Tools of the project's developers: `make test` and `make bench` run them."""
