"""What a probe tries with a meter, a module for each matter (osgp/installation/probe_meter.py)."""
