"""What a failure on purpose showed: figures, verdict, and what is written of it. All pure."""
