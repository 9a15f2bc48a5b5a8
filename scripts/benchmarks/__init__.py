"""What `make bench` measures. Nothing here passes or fails; budgets stand beside the figures."""
