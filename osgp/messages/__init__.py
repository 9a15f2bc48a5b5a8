"""The message kit: operations, their parameters, results and registry, and the visited meter."""
