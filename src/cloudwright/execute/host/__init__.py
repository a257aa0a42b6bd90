"""One host of the cloud: its connection, its engine, its files and its containers."""
