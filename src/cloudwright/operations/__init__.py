"""Day-2 operations and their forecasts, each a pure function of the cloud and what was seen."""
