"""What an author of a message needs: what a message is, its parameters and results, and the visited meter."""
