"""What an operator does: demo data, purging, the doctor."""
