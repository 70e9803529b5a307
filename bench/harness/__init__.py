"""What bench/run is made of: prepare what is needed, run servers, drive clients, print a table."""
