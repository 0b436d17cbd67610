"""What was forecast, planned of it, and what came of both, in the database."""
