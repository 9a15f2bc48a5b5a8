"""What a simulated meter is: its COSEM objects, the values behind them and its memory."""
