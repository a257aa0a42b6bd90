"""After everything was down: what each member holds, and a person's word where none can decide."""
