"""What a run tells, and what stays of it: events, journals, logs of steps, records."""
